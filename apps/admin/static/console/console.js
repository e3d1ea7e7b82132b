// htmx would write a style element into the page, which the content policy forbids; nothing here
// uses its indicators.
window.htmx.config.includeIndicatorStyles = false;
