"""REST views of the gateway's settings, for who administers a workspace."""

from collections.abc import Mapping
from typing import Any, TypeVar
from uuid import UUID

from django.views.decorators.debug import sensitive_variables
from drf_spectacular.utils import extend_schema
from pydantic import BaseModel, ValidationError
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from apps.accounts.permissions import TENANT_ADMIN
from apps.core.errors import InvalidInput
from apps.core.schema import page_of
from apps.core.scope import Actor, current_actor
from apps.providers.api.provider_serializers import (
    DiscoveredModelSerializer,
    ExaminationSerializer,
    ExamineSerializer,
    GatewaySettingsSerializer,
    ModelChangeSerializer,
    ModelOrderSerializer,
    ModelSerializer,
    NewModelSerializer,
    NewProviderSerializer,
    PolicyChangeSerializer,
    PolicySerializer,
    ProviderChangeSerializer,
    ProviderKeySerializer,
    ProviderSerializer,
)
from apps.providers.services import (
    GatewayFields,
    ModelFields,
    PolicyFields,
    ProviderFields,
    examinations,
    gateway_settings,
    models,
    providers,
    routing_policies,
)
from apps.providers.services.access import problems_of

_Fields = TypeVar("_Fields", bound=BaseModel)


class _AdministratorView(APIView):
    permission = TENANT_ADMIN

    @property
    def actor(self) -> Actor:
        """Who asks."""
        return current_actor()


def _checked(serializer: Serializer[object]) -> dict[str, Any]:
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def _fields(kind: type[_Fields], values: Mapping[str, object]) -> _Fields:
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise InvalidInput(fields=problems_of(error)) from error


def _all(rows: Serializer[object]) -> Response:
    return Response({"results": rows.data, "next": None})


class ProvidersView(_AdministratorView):
    """The workspace's providers and those that the platform offers."""

    @extend_schema(operation_id="providers_list", responses=page_of(ProviderSerializer))
    def get(self, request: Request) -> Response:
        """List the workspace's own, then the platform's."""
        return _all(ProviderSerializer(providers.list_providers(actor=self.actor), many=True))

    @sensitive_variables("values", "key")
    @extend_schema(request=NewProviderSerializer, responses={201: ProviderSerializer})
    def post(self, request: Request) -> Response:
        """Set one up, from a preset or by its address."""
        values = _checked(NewProviderSerializer(data=request.data))
        key, names = values.pop("key", ""), tuple(values.pop("models", ()))
        view = providers.create_provider(
            actor=self.actor, fields=_fields(ProviderFields, values), key=key, models=names
        )
        return Response(ProviderSerializer(view).data, status=status.HTTP_201_CREATED)


class ProviderDetailView(_AdministratorView):
    """One provider."""

    @extend_schema(operation_id="providers_retrieve", responses=ProviderSerializer)
    def get(self, request: Request, provider_id: UUID) -> Response:
        """Return it with its models."""
        view = providers.get_provider(actor=self.actor, provider_id=provider_id)
        return Response(ProviderSerializer(view).data)

    @extend_schema(request=ProviderChangeSerializer, responses=ProviderSerializer)
    def patch(self, request: Request, provider_id: UUID) -> Response:
        """Change the given fields; another address or adapter forgets the key."""
        values = _checked(ProviderChangeSerializer(data=request.data))
        view = providers.change_provider(
            actor=self.actor, provider_id=provider_id, fields=_fields(ProviderFields, values)
        )
        return Response(ProviderSerializer(view).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, provider_id: UUID) -> Response:
        """Delete it with its key and models."""
        providers.delete_provider(actor=self.actor, provider_id=provider_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class ProviderKeyView(_AdministratorView):
    """The key of a provider, which can be written and not read."""

    @sensitive_variables("values")
    @extend_schema(request=ProviderKeySerializer, responses=ProviderSerializer)
    def put(self, request: Request, provider_id: UUID) -> Response:
        """Keep a key; it replaces the one before."""
        values = _checked(ProviderKeySerializer(data=request.data))
        view = providers.set_provider_key(
            actor=self.actor, provider_id=provider_id, key=values["key"]
        )
        return Response(ProviderSerializer(view).data)

    @extend_schema(responses=ProviderSerializer)
    def delete(self, request: Request, provider_id: UUID) -> Response:
        """Forget the key."""
        view = providers.remove_provider_key(actor=self.actor, provider_id=provider_id)
        return Response(ProviderSerializer(view).data)


class ProviderTestView(_AdministratorView):
    """Trying a provider out."""

    @extend_schema(request=ExamineSerializer, responses=ExaminationSerializer)
    def post(self, request: Request, provider_id: UUID) -> Response:
        """Ask for its models and, with `model`, ask that one; say where it failed."""
        values = _checked(ExamineSerializer(data=request.data))
        found = examinations.examine_provider(
            actor=self.actor, provider_id=provider_id, model=values["model"]
        )
        return Response(ExaminationSerializer(found).data)


class ProviderDiscoverView(_AdministratorView):
    """What a provider has."""

    @extend_schema(request=None, responses=page_of(DiscoveredModelSerializer))
    def post(self, request: Request, provider_id: UUID) -> Response:
        """Ask for its list of models, with what is known of each."""
        found = examinations.discover_models(actor=self.actor, provider_id=provider_id)
        return _all(DiscoveredModelSerializer(found, many=True))


class ProviderModelsView(_AdministratorView):
    """The models of a provider."""

    @extend_schema(operation_id="provider_models_list", responses=page_of(ModelSerializer))
    def get(self, request: Request, provider_id: UUID) -> Response:
        """List them, the best first."""
        view = providers.get_provider(actor=self.actor, provider_id=provider_id)
        return _all(ModelSerializer(view.models, many=True))

    @extend_schema(request=NewModelSerializer, responses={201: ModelSerializer})
    def post(self, request: Request, provider_id: UUID) -> Response:
        """Add one."""
        fields = _fields(ModelFields, _checked(NewModelSerializer(data=request.data)))
        view = models.add_model(actor=self.actor, provider_id=provider_id, fields=fields)
        return Response(ModelSerializer(view).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=ModelOrderSerializer, responses=page_of(ModelSerializer))
    def put(self, request: Request, provider_id: UUID) -> Response:
        """Put all of them into an order."""
        values = _checked(ModelOrderSerializer(data=request.data))
        ordered = models.order_models(
            actor=self.actor, provider_id=provider_id, model_ids=values["models"]
        )
        return _all(ModelSerializer(ordered, many=True))


class ProviderModelView(_AdministratorView):
    """One model of a provider."""

    @extend_schema(request=ModelChangeSerializer, responses=ModelSerializer)
    def patch(self, request: Request, provider_id: UUID, model_id: UUID) -> Response:
        """Change the given fields."""
        view = models.change_model(
            actor=self.actor,
            provider_id=provider_id,
            model_id=model_id,
            fields=_fields(ModelFields, _checked(ModelChangeSerializer(data=request.data))),
        )
        return Response(ModelSerializer(view).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, provider_id: UUID, model_id: UUID) -> Response:
        """Take it away."""
        models.delete_model(actor=self.actor, provider_id=provider_id, model_id=model_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class GatewaySettingsView(_AdministratorView):
    """The gateway's settings of the workspace."""

    @extend_schema(operation_id="gateway_settings_retrieve", responses=GatewaySettingsSerializer)
    def get(self, request: Request) -> Response:
        """Return what holds here."""
        view = gateway_settings.get_gateway_settings(actor=self.actor)
        return Response(GatewaySettingsSerializer(view).data)

    @extend_schema(request=GatewaySettingsSerializer, responses=GatewaySettingsSerializer)
    def patch(self, request: Request) -> Response:
        """Change the given settings; null is no limit."""
        values = _checked(GatewaySettingsSerializer(data=request.data))
        view = gateway_settings.change_gateway_settings(
            actor=self.actor, fields=_fields(GatewayFields, values)
        )
        return Response(GatewaySettingsSerializer(view).data)


class RoutingPoliciesView(_AdministratorView):
    """The rules of routing."""

    @extend_schema(operation_id="routing_policies_list", responses=page_of(PolicySerializer))
    def get(self, request: Request) -> Response:
        """List them in the order in which they are asked."""
        return _all(
            PolicySerializer(routing_policies.list_routing_policies(actor=self.actor), many=True)
        )

    @extend_schema(request=PolicyChangeSerializer, responses={201: PolicySerializer})
    def post(self, request: Request) -> Response:
        """Add one."""
        fields = _fields(PolicyFields, _checked(PolicyChangeSerializer(data=request.data)))
        view = routing_policies.create_routing_policy(actor=self.actor, fields=fields)
        return Response(PolicySerializer(view).data, status=status.HTTP_201_CREATED)


class RoutingPolicyView(_AdministratorView):
    """One rule of routing."""

    @extend_schema(operation_id="routing_policies_retrieve", responses=PolicySerializer)
    def get(self, request: Request, policy_id: UUID) -> Response:
        """Return it."""
        view = routing_policies.get_routing_policy(actor=self.actor, policy_id=policy_id)
        return Response(PolicySerializer(view).data)

    @extend_schema(request=PolicyChangeSerializer, responses=PolicySerializer)
    def patch(self, request: Request, policy_id: UUID) -> Response:
        """Change the given fields; each of its three parts is replaced as a whole."""
        fields = _fields(PolicyFields, _checked(PolicyChangeSerializer(data=request.data)))
        view = routing_policies.change_routing_policy(
            actor=self.actor, policy_id=policy_id, fields=fields
        )
        return Response(PolicySerializer(view).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, policy_id: UUID) -> Response:
        """Delete it."""
        routing_policies.delete_routing_policy(actor=self.actor, policy_id=policy_id)
        return Response(status=status.HTTP_204_NO_CONTENT)
