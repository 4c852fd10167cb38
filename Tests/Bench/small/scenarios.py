"""What is measured: each a table."""

import dataclasses

from uploads.material import DOCUMENT_BYTES, Load

ONE, SWEEP, FORMS = "one", "sweep", "forms"
PARTS = [ONE, SWEEP, FORMS]
FORM_FILES = 30


@dataclasses.dataclass
class Scenario:
    part: str
    load: Load
    # Of the rounds asked for.
    share_of_rounds: float

    @property
    def is_form(self):
        return self.part == FORMS

    @property
    def in_flight(self):
        return self.load.connections

    @property
    def name(self):
        return f"{'forms' if self.is_form else 'PUT'}, {self.in_flight} in flight"

    @property
    def title(self):
        what = f"forms of {FORM_FILES} documents of 20 KB" if self.is_form else "one document of 20 KB by PUT"
        return f"{what}, {self.in_flight} in flight"

    def rounds(self, asked):
        return max(1, round(asked * self.share_of_rounds))


def of(document, parts):
    """Those of the parts named. `document` is the path of one."""
    def scenario(part, connections, share, files=1, seconds=3):
        return Scenario(part, Load([document] * files, DOCUMENT_BYTES, connections=connections, seconds=seconds), share)

    every = [
        # The ninety-ninth percentile needs many rounds.
        scenario(ONE, 1, share=1),
        *(scenario(SWEEP, connections, share=0.6) for connections in (8, 16, 32, 128)),
        # Long enough for several forms a connection.
        *(scenario(FORMS, connections, share=0.4, files=FORM_FILES, seconds=6) for connections in (16, 128)),
    ]
    return [each for each in every if each.part in parts]
