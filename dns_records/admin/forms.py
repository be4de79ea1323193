"""Forms whose errors are the reasons of a service."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.db import transaction
from django.utils.html import format_html, format_html_join

from dns_records import names
from dns_records.models import Backend, Zone
from dns_records.providers import registry
from dns_records.providers.base import Provider
from dns_records.providers.options import REQUIRED, Option
from dns_records.services import backends, zones
from dns_records.tcp import Endpoint
from dnsorch.exceptions import DnsorchError, Invalid
from dnsorch.secrets import store

if TYPE_CHECKING:
    # Django's own classes take no type argument when they run.
    BackendModelForm = forms.ModelForm[Backend]
    ZoneModelForm = forms.ModelForm[Zone]
else:
    BackendModelForm = ZoneModelForm = forms.ModelForm


def rehearse(form: Any, service: Callable[[], object]) -> None:
    """Call a service and take back what it did; its reasons are the form's errors.

    So there is one place that knows what is right, and the form knows it in time.
    """
    try:
        with transaction.atomic():
            service()
            transaction.set_rollback(True)
    except DnsorchError as error:
        form.add_error(None, error.detail)


class ZoneForm(ZoneModelForm):
    """What a person says about a zone."""

    name = forms.CharField(
        max_length=1024,
        help_text="The apex, such as example.com. It cannot be changed later.",
    )
    nameservers = forms.CharField(
        required=False,
        label="Name servers",
        widget=forms.Textarea(attrs={"rows": 4, "cols": 40}),
        help_text="Every authoritative server that is asked whether a change is "
        "live: one host:port a line, the update server first. Port 53 may be left "
        "out; an IPv6 address with a port stands in brackets.",
    )

    class Meta:
        """What the services take; they fill in the rest."""

        model = Zone
        fields = (
            "name",
            "backend",
            "nameservers",
            "verify_policy",
            "verify_k",
            "verify_deadline_s",
            "fencing",
            "mode",
            "audit_interval_s",
            "default_ttl",
            "ptr_policy",
            "min_ttl",
            "max_ttl",
        )
        labels = {
            "verify_policy": "Live when",
            "verify_k": "k",
            "verify_deadline_s": "Deadline",
            "audit_interval_s": "Audited every",
            "default_ttl": "Default TTL",
            "ptr_policy": "PTR records",
            "min_ttl": "Lowest TTL",
            "max_ttl": "Highest TTL",
        }
        help_texts = {
            "verify_policy": "How many of the name servers have to answer with a "
            "change before its request is completed.",
            "verify_k": "For k-of-n only: how many.",
            "verify_deadline_s": "Seconds after which a change that is not live "
            "everywhere is reported as not verified.",
            "fencing": "The marker lets the update server itself refuse a worker "
            "that lost its lease. Choose none only if the server cannot keep it.",
            "mode": "In a shared zone a change fails where other hands have changed "
            "what it is about; in an exclusive one it overwrites them.",
            "audit_interval_s": "Seconds between two comparisons with the update "
            "server; empty for none.",
            "default_ttl": "Seconds, for records that come without a TTL.",
            "ptr_policy": "On: A and AAAA records carry their PTR records in the "
            "registered reverse zones, in the same request.",
            "min_ttl": "Seconds; a change to a lower TTL is refused.",
            "max_ttl": "Seconds; a change to a higher TTL is refused. BIND lowers "
            "what is above its max-zone-ttl without saying so.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Show the addresses one a line, and the name of a zone as it is."""
        super().__init__(*args, **kwargs)
        # The model's own limits are checked after clean(), too late for rehearse():
        # PostgreSQL would be asked to store a number that its column cannot hold.
        for field in Zone._meta.fields:
            if isinstance(self.fields.get(field.name), forms.IntegerField):
                self.fields[field.name].validators += field.validators
        if self.instance._state.adding:
            return
        self.initial["nameservers"] = "\n".join(self.instance.nameservers)
        if "name" in self.fields:
            self.fields["name"].disabled = True

    def clean_name(self) -> str:
        """Return the canonical name."""
        try:
            return names.zone_name(self.cleaned_data["name"])
        except Invalid as error:
            raise forms.ValidationError(error.detail) from error

    def clean_nameservers(self) -> list[str]:
        """Return the addresses as a list, each once."""
        found = self.cleaned_data["nameservers"].split()
        for text in found:
            try:
                Endpoint.parse(text)
            except ValueError as error:
                raise forms.ValidationError(str(error)) from error
        return list(dict.fromkeys(found))

    def clean(self) -> dict[str, Any]:
        """Let the service's reasons be the form's errors."""
        cleaned = super().clean() or self.cleaned_data
        if not self.errors:
            rehearse(self, self.write)
        return cleaned

    def write(self) -> Zone:
        """Register the zone, or change it.

        Raises:
            DnsorchError: the service's reason against it.
        """
        fields = {key: self.cleaned_data[key] for key in self.Meta.fields}
        name = fields.pop("name")
        if self.instance._state.adding:
            return zones.register(name=name, **fields)
        return zones.change(self.instance, fields)


class BackendForm(BackendModelForm):
    """What a person says about an external DNS service."""

    driver = forms.ChoiceField(choices=lambda: [(d, d) for d in sorted(drivers())])

    class Meta:
        """What the service takes."""

        model = Backend
        fields = ("name", "driver", "options", "secret_reference")
        help_texts = {
            "name": "It cannot be changed later.",
            "secret_reference": "Where the secret is, as in env:NAME or file:PATH. "
            "Never the secret itself: it does not belong into the database.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Say which options each driver takes; show the name of a backend as it is."""
        super().__init__(*args, **kwargs)
        if "options" in self.fields:
            self.fields["options"].help_text = _options_help()
        if not self.instance._state.adding and "name" in self.fields:
            self.fields["name"].disabled = True

    def clean_options(self) -> dict[str, Any]:
        """Refuse JSON that is no object; nothing means no options."""
        options = self.cleaned_data["options"]
        if options is None:
            return {}
        if not isinstance(options, dict):
            raise forms.ValidationError("Expected a JSON object.")
        return options

    def clean_secret_reference(self) -> str:
        """Refuse what is no reference: it may be the secret itself."""
        text: str = self.cleaned_data["secret_reference"]
        known = {**store.BUILT_IN, **settings.DNSORCH_SECRET_PROVIDERS}
        scheme, _, rest = text.partition(":")
        if text and (scheme not in known or not rest):
            raise forms.ValidationError(
                f"A reference is scheme:rest, with one of {', '.join(sorted(known))}."
                " It is never the secret itself."
            )
        return text

    def clean(self) -> dict[str, Any]:
        """Let the service's reasons be the form's errors."""
        cleaned = super().clean() or self.cleaned_data
        if not self.errors:
            rehearse(self, self.write)
        return cleaned

    def write(self) -> Backend:
        """Create the backend, or change it.

        Raises:
            Misconfigured: the service's reason against it.
        """
        return backends.save(
            **{key: self.cleaned_data[key] for key in self.Meta.fields}
        )


def drivers() -> dict[str, type[Provider]]:
    """Return the class of each driver that the settings name."""
    return {name: registry.provider_class(name) for name in settings.DNSORCH_PROVIDERS}


def _options_help() -> str:
    """Return what each driver wants to know: JSON keys, defaults, meanings."""
    rows = [
        (driver, name, option.help, _default(option))
        for driver, provider in sorted(drivers().items())
        for name, option in provider.options.items()
    ]
    line = "<li>{}: <code>{}</code> – {}{}</li>"
    return format_html(
        "A JSON object; no secret belongs here.<ul>{}</ul>",
        format_html_join("", line, rows),
    )


def _default(option: Option) -> str:
    return " (required)" if option.default is REQUIRED else f" [{option.default!r}]"
