"""API tokens in the admin: issue, look at, revoke. Nothing else can be changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from dnsorch.tokens import services
from dnsorch.tokens.models import ApiToken

if TYPE_CHECKING:
    # Django's own classes take no type argument when they run.
    ModelForm = forms.ModelForm[ApiToken]
    ModelAdmin = admin.ModelAdmin[ApiToken]
else:
    ModelForm, ModelAdmin = forms.ModelForm, admin.ModelAdmin


class TokenForm(ModelForm):
    """What a person chooses about a new token."""

    zones = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="One zone name a line; none means all zones.",
    )

    class Meta:
        """The fields that a person fills in; the service fills in the rest."""

        model = ApiToken
        fields = ("owner", "label", "source", "zones", "read_only", "expires_at")

    def clean_zones(self) -> list[str]:
        """Return the names as a list."""
        zones: str = self.cleaned_data["zones"]
        return zones.split()

    def clean(self) -> dict[str, Any]:
        """Let the service's reasons be the form's errors."""
        cleaned = super().clean() or self.cleaned_data
        if not self.errors:
            wanted = {key: cleaned[key] for key in self.Meta.fields}
            wanted.pop("read_only")
            for reason in services.reasons_against(**wanted):
                self.add_error(reason.pointer.split("/")[1], reason.detail)
        return cleaned


@admin.register(ApiToken)
class ApiTokenAdmin(ModelAdmin):
    """A list of tokens, a form for a new one, and the action that revokes."""

    list_display = (
        "owner",
        "label",
        "prefix",
        "zone_list",
        "source",
        "read_only",
        "expires_at",
        "revoked_at",
        "last_used_at",
    )
    list_filter = ("source", "read_only", ("revoked_at", admin.EmptyFieldListFilter))
    search_fields = ("owner", "label", "prefix")
    actions = ("revoke",)

    def get_fields(self, request: HttpRequest, obj: ApiToken | None = None) -> Any:
        """Show everything but the digest; ask for what a person chooses."""
        if obj is None:
            return TokenForm.Meta.fields
        return (*self.list_display, "created_at")

    def get_form(
        self,
        request: HttpRequest,
        obj: ApiToken | None = None,
        change: bool = False,
        **kwargs: Any,
    ) -> type[ModelForm]:
        """Use the form of our own for a new token only."""
        if obj is None:
            kwargs["form"] = TokenForm
        return super().get_form(request, obj, change, **kwargs)

    def has_change_permission(
        self, request: HttpRequest, obj: ApiToken | None = None
    ) -> bool:
        """Refuse: the service owns a token once it is issued."""
        return False

    def has_delete_permission(
        self, request: HttpRequest, obj: ApiToken | None = None
    ) -> bool:
        """Refuse: a token is revoked and stays, so that its requests have a name."""
        return False

    def has_view_permission(
        self, request: HttpRequest, obj: ApiToken | None = None
    ) -> bool:
        """Let those who may revoke see what they revoke."""
        may_view = super().has_view_permission(request, obj)
        return may_view or self.has_revoke_permission(request)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Ask for Django's permission to change tokens."""
        return bool(
            request.user.is_active and request.user.has_perm("tokens.change_apitoken")
        )

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> ApiToken:
        """Issue the token, and keep its text for the answer to this request."""
        wanted = {key: form.cleaned_data[key] for key in TokenForm.Meta.fields}
        issued = services.issue(**wanted)
        request.META["dnsorch.issued_text"] = issued.text
        return issued.token

    def save_model(
        self, request: HttpRequest, obj: ApiToken, form: Any, change: bool
    ) -> None:
        """Do nothing: the service has saved it."""

    def save_related(
        self, request: HttpRequest, form: Any, formsets: Any, change: bool
    ) -> None:
        """Do nothing: a token has no relations."""

    def response_add(
        self,
        request: HttpRequest,
        obj: ApiToken,
        post_url_continue: str | None = None,
    ) -> HttpResponse:
        """Show the text in this answer itself: a message would be stored."""
        return TemplateResponse(
            request,
            "admin/tokens/apitoken/issued.html",
            {
                **self.admin_site.each_context(request),
                "title": "API token issued",
                "opts": self.opts,
                "token": obj,
                "text": request.META.pop("dnsorch.issued_text"),
            },
        )

    @admin.display(description="zones")
    def zone_list(self, token: ApiToken) -> str:
        """Return the zones in words."""
        return ", ".join(token.zones) or "all"

    @admin.action(description="Revoke selected API tokens", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> None:
        """Revoke the selected tokens; they act no more from the next request on."""
        count = sum(services.revoke(token=token) for token in queryset)
        self.message_user(request, f"{count} revoked.", messages.SUCCESS)
