"""Filters that write amounts as `apps.web.amounts` does."""

from django import template

from apps.web import amounts

register = template.Library()
register.filter("money", amounts.money_text)
register.filter("count", amounts.count_text)
register.filter("seconds", amounts.seconds_text)
register.filter("percent", amounts.percent_text)
