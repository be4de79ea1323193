"""Forms for what is wanted: one RRset, or a change set as JSON."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from dns_records import record_types
from dns_records.api.v2 import batch_items
from dns_records.drafts import Draft
from dns_records.models.zone import MAX_TTL
from dns_records.services.changes import ChangeSet
from dns_records.services.parts import Whole
from dnsorch.api import strict_json
from dnsorch.exceptions import DnsorchError, Invalid

ACTIONS = (("put", "Write it whole"), ("delete", "Delete it"))


class WriteForm(forms.Form):
    """What both forms have: the zone, why, and errors that are a service's reasons."""

    action: str

    zone = forms.CharField(max_length=1024)
    comment = forms.CharField(
        max_length=1000, required=False, help_text="What the request is for."
    )

    def submission(self, digest: str | None) -> Whole:
        """Return what the form asks for, under the plan that was approved."""
        raise NotImplementedError

    def refuse(self, error: DnsorchError) -> None:
        """Show the reasons of a service."""
        details = [each.detail for each in error.reasons] or [error.detail]
        self.add_error(None, [ValidationError(each) for each in details])


class RRsetForm(WriteForm):
    """One RRset, written whole or deleted."""

    action = "put"

    name = forms.CharField(
        max_length=1024,
        help_text="Absolute, or relative to the zone; @ is the zone itself.",
    )
    type = forms.ChoiceField(
        choices=lambda: [(each, each) for each in sorted(record_types.RECORD_TYPES)]
    )
    what = forms.ChoiceField(choices=ACTIONS, label="Do", initial="put")
    ttl = forms.IntegerField(
        min_value=0,
        max_value=MAX_TTL,
        required=False,
        label="TTL",
        help_text="Seconds; without one that of the RRset, else of the zone.",
    )
    records = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 6, "cols": 70}),
        help_text="One record a line, as in a zone file: 192.0.2.1, or 10 "
        "mail.example.com.",
    )
    field_order = ("zone", "name", "type", "what", "ttl", "records", "comment")

    def submission(self, digest: str | None) -> Whole:
        """Return the RRset as the service takes it."""
        data = self.cleaned_data
        lines = data["records"].splitlines() if data["what"] == "put" else []
        draft = Draft(
            action=data["what"],
            name=data["name"],
            type=data["type"],
            ttl=data["ttl"] if data["what"] == "put" else None,
            records=tuple(line.strip() for line in lines if line.strip()),
        )
        comment = data["comment"] or None
        return Whole(ChangeSet(data["zone"], [draft], comment, digest=digest))


class ChangesetForm(WriteForm):
    """Many changes of one zone, all or nothing."""

    action = "changeset"

    changes = forms.CharField(
        strip=False,
        widget=forms.Textarea(attrs={"rows": 20, "cols": 90, "spellcheck": "false"}),
        help_text="The changes of POST /api/v2/changesets/, as a JSON array.",
        initial=json.dumps(
            [{"action": "add", "name": "www", "type": "A", "records": ["192.0.2.1"]}],
            indent=2,
        ),
    )

    def clean(self) -> dict[str, Any]:
        """Refuse what is no change set, with the place of each mistake."""
        cleaned = super().clean() or self.cleaned_data
        if not self.errors:
            try:
                self.submission(None)
            except Invalid as error:
                texts = [f"{each.pointer}: {each.detail}" for each in error.reasons]
                self.add_error("changes", texts or [error.detail])
        return cleaned

    def submission(self, digest: str | None) -> Whole:
        """Return the change set as the API reads it.

        Raises:
            Invalid: a field is missing, unknown or of the wrong shape.
        """
        data = self.cleaned_data
        body = {
            "zone": data["zone"],
            "changes": strict_json.loads(data["changes"].encode()),
            "comment": data["comment"] or None,
            "digest": digest,
        }
        return Whole(batch_items.read_changeset(body))
