"""Training definitions: label, windows, population, candidates, search and gate; files of `models/`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from netlift.config.business import TaskName
from netlift.config.own_parts import known_or_own
from netlift.config.settings import Settings, did_you_mean, load_settings, read_yaml
from netlift.config.tree_params import find_mistakes
from netlift.errors import ConfigError

Days = Annotated[int, Field(gt=0, le=3660)]
MOST_ROWS = 1_000_000_000


class Range(Settings):
    """Where the search may look for one parameter."""

    low: float
    high: float
    log: bool = False
    whole: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> Range:
        if not self.low < self.high:
            raise ValueError(f"low {self.low} must be below high {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"a logarithmic range starts above zero, not at {self.low}")
        if self.whole and not (self.low.is_integer() and self.high.is_integer()):
            raise ValueError(f"low {self.low:g} and high {self.high:g} of a whole number are whole")
        if self.log and self.whole and self.low < 1:
            raise ValueError(f"a logarithmic range of whole numbers starts at 1 or above, not at {self.low:g}")
        return self


class Search(Settings):
    """How LightGBM is tuned.

    Attributes:
        trials: How many settings are tried.
        folds: Folds of customers inside the training rows.
        max_rounds: Most trees; early stopping decides how many.
        patience: Rounds without improvement before a fit stops.
        space: Range of each LightGBM parameter searched.
        fixed: LightGBM parameters that are not searched.
    """

    trials: Annotated[int, Field(ge=1, le=1000)]
    folds: Annotated[int, Field(ge=2, le=20)]
    max_rounds: Annotated[int, Field(ge=1, le=20_000)]
    patience: Annotated[int, Field(ge=1, le=20_000)]
    space: dict[str, Range]
    fixed: dict[str, float] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _known_to_lightgbm(self) -> Search:
        mistakes = [f"{name}: is both searched and fixed" for name in self.space if name in self.fixed]
        for name, span in self.space.items():
            mistakes += find_mistakes(name, {"low": span.low, "high": span.high}, whole=span.whole)
        for name, value in self.fixed.items():
            mistakes += find_mistakes(name, {"": value})
        if mistakes:
            raise ValueError("; ".join(mistakes))
        return self


class Windows(Settings):
    """The calendar of a task, in days.

    Attributes:
        observation_days: Before the cutoff; features see no further back.
        gap_days: Between the cutoff and the first day predicted.
        horizon_days: Predicted.
        cutoff_every_days: Distance between training cutoffs.
        cutoffs: How many training cutoffs so far apart, the newest first; where they span less than a year and the
            history holds more, older ones follow a quarter of a year apart, back to the season that is judged.
        late_arrival_days: The newest days of data, not trusted to be whole.
        least_observation_days: Days that a cutoff must have behind it, where that is less than `observation_days`: for
            one cohort whose life begins with the data. Elsewhere early cutoffs would see less of the same customers.
    """

    observation_days: Days
    gap_days: Annotated[int, Field(ge=0, le=365)]
    horizon_days: Days
    cutoff_every_days: Days
    cutoffs: Annotated[int, Field(ge=1, le=60)]
    late_arrival_days: Annotated[int, Field(ge=0, le=365)]
    least_observation_days: Days | None = None

    @property
    def behind_days(self) -> int:
        """Days of history that every cutoff has behind it."""
        return min(self.observation_days, self.least_observation_days or self.observation_days)


class Population(Settings):
    """Who is asked about: customers with a purchase so recent at the cutoff.

    Attributes:
        active_within_days: The last purchase lies at most this long before the cutoff; left out where a contract is
            what makes a customer (churn by cancellation).
        max_rows: Training rows kept; beyond it customers are sampled, and the card says so.
    """

    active_within_days: Days | None = None
    max_rows: Annotated[int, Field(ge=1000, le=MOST_ROWS)] = 1_000_000


class GainGate(Settings):
    """What makes a feature too good to be true.

    Attributes:
        max_gain_share: Of the strongest feature in the model's gain.
    """

    max_gain_share: Annotated[float, Field(gt=0, le=1)] = 0.8


class SuspicionGate(GainGate):
    """What makes a model, or a feature by itself, too good to be true.

    Attributes:
        max_auc: Of the model.
        max_feature_auc: Of any single feature alone. At 1 an attribute of an extract may tell the flag by itself.
    """

    max_auc: Annotated[float, Field(gt=0.5, le=1)] = 0.99
    max_feature_auc: Annotated[float, Field(gt=0.5, le=1)] = 0.97


def _require_activity(population: Population) -> None:
    if population.active_within_days is None:
        raise ValueError("population.active_within_days is needed: who bought nothing for years is not asked about")


class ChurnLabel(Settings):
    """Lost means no purchase within the horizon, or a cancellation dated by `customers.cancelled_at`.

    Attributes:
        kind: Which of the two.
    """

    kind: Literal["no_purchase", "cancellation"]


class ChurnGate(SuspicionGate):
    """What a churn model must hold on the test cutoff.

    Attributes:
        max_calibration_error: Of predicted against observed share, expected over ten bins; what the season of the
            test cutoff adds to it is judged among cutoffs before (`registry.gate.calibration_over_cutoffs`).
        min_gain_over_baseline: Least gain of ROC-AUC over the best baseline, lower end of its paired interval.
        level: Confidence of the paired intervals.
    """

    max_calibration_error: Annotated[float, Field(gt=0, lt=1)]
    min_gain_over_baseline: Annotated[float, Field(ge=-1, le=1)]
    level: Annotated[float, Field(gt=0.5, lt=1)]


class LtvGate(SuspicionGate):
    """What a value model must hold on the test cutoff.

    Attributes:
        max_total_bias: Of the predicted total against the observed, either way.
        min_gain_over_baseline: Least gain of normalized Gini over the best baseline, lower end of its paired interval.
        level: Confidence of the paired intervals.
    """

    max_total_bias: Annotated[float, Field(gt=0, lt=1)]
    min_gain_over_baseline: Annotated[float, Field(ge=-1, le=1)]
    level: Annotated[float, Field(gt=0.5, lt=1)]


class UpliftGate(GainGate):
    """What an uplift model must earn on campaigns that training never saw.

    Attributes:
        min_gain_over_constant: Least profit per customer above the best constant (nobody, or everybody one offer),
            lower end of the one-sided paired interval, in currency.
        level: Confidence of the intervals that are shown.
        confidence: Of the gate, one-sided: a policy no better than the best constant is refused so surely.
    """

    min_gain_over_constant: Annotated[float, Field(ge=-1e12, le=1e12)]
    level: Annotated[float, Field(gt=0.5, lt=1)]
    confidence: Annotated[float, Field(gt=0.5, lt=1)]


OwnFeature = Annotated[str, AfterValidator(known_or_own((), "feature"))]


class Definition(Settings):
    """What every task states.

    Attributes:
        description: One sentence for the model card.
        exclude: Features left out, by name.
        features: Own features beside those of the catalogue, by dotted path or entry point.
        search: How LightGBM is tuned.
    """

    description: str
    exclude: tuple[str, ...] = ()
    features: tuple[OwnFeature, ...] = ()
    search: Search


class FlagLabel(Settings):
    """Lost means flagged in one extract of customers, by `customers.churned`.

    Attributes:
        kind: That it is a flag.
    """

    kind: Literal["flag"]


class EventTask(Definition):
    """What may happen to a customer, however that is told."""

    task: TaskName
    gates: ChurnGate


class ChurnTask(EventTask):
    """Who is leaving, however that is told."""

    task: Literal["churn"]


FlagLearner = Annotated[str, AfterValidator(known_or_own(("logistic", "lightgbm"), "learner"))]
CHURN_LEARNERS = ("own_rhythm", "p_alive", "logistic", "lightgbm")
ChurnLearner = Annotated[str, AfterValidator(known_or_own(CHURN_LEARNERS, "learner"))]


class FlagDefinition(ChurnTask):
    """Who is leaving, told by a flag in one extract without receipts or history.

    Attributes:
        held_out_share: Of the customers, drawn by their ids, kept for judgement alone; the same ones every time.
    """

    label: FlagLabel
    held_out_share: Annotated[float, Field(ge=0.05, le=0.5)] = 0.25
    candidates: Annotated[tuple[FlagLearner, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _no_own_features(self) -> FlagDefinition:
        if self.features:
            raise ValueError("features: one extract has no rows before a cutoff; name its columns in data.attributes")
        return self


class CutoffDefinition(Definition):
    """What every task of customers at cutoffs states."""

    windows: Windows
    population: Population


class ChurnDefinition(ChurnTask, CutoffDefinition):
    """Who is leaving, told by what came after a cutoff."""

    label: ChurnLabel
    candidates: Annotated[tuple[ChurnLearner, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _population_of_label(self) -> ChurnDefinition:
        if self.label.kind == "no_purchase":
            _require_activity(self.population)
        elif "p_alive" in self.candidates:
            raise ValueError("p_alive is for customers without a contract; take it out of candidates")
        return self


LTV_LEARNERS = ("mean_by_rfm", "last_period", "bg_nbd", "tweedie", "ziln", "two_part", "stack")
LtvLearner = Annotated[str, AfterValidator(known_or_own(LTV_LEARNERS, "learner"))]


class LtvDefinition(CutoffDefinition):
    """What a customer will be worth.

    Attributes:
        discount_rate_year: Margin of a year from the cutoff counts 1 / (1 + this); 0 for no discount.
        extrapolate_to_days: Also say what a longer time than any label would bring, as an output of its own name.
    """

    task: Literal["ltv", "ltv_year"]
    discount_rate_year: Annotated[float, Field(ge=0, lt=10)]
    extrapolate_to_days: Days | None = None
    candidates: Annotated[tuple[LtvLearner, ...], Field(min_length=1)]
    gates: LtvGate

    @model_validator(mode="after")
    def _sensible(self) -> LtvDefinition:
        _require_activity(self.population)
        if self.extrapolate_to_days is not None and self.extrapolate_to_days <= self.windows.horizon_days:
            raise ValueError(
                f"extrapolate_to_days {self.extrapolate_to_days} lies within the horizon of "
                f"{self.windows.horizon_days} days: leave it out, or name a longer time"
            )
        return self


OwnLabelPath = Annotated[str, AfterValidator(known_or_own((), "task"))]
EventLearner = Annotated[str, AfterValidator(known_or_own(("own_rhythm", "logistic", "lightgbm"), "learner"))]
AmountLearner = Annotated[str, AfterValidator(known_or_own(("mean_by_rfm", "tweedie", "ziln", "two_part"), "learner"))]


class EventLabel(Settings):
    """Whether something of a user's own happens in the horizon.

    Attributes:
        kind: That it is an event.
        own: The `OwnLabel`, by dotted path or entry point.
    """

    kind: Literal["event"]
    own: OwnLabelPath


class AmountLabel(Settings):
    """How much of something of a user's own comes in the horizon.

    Attributes:
        kind: That it is an amount.
        own: The `OwnLabel`, by dotted path or entry point.
    """

    kind: Literal["amount"]
    own: OwnLabelPath


class EventDefinition(EventTask, CutoffDefinition):
    """An own task: the probability that something happens in the horizon."""

    label: EventLabel
    candidates: Annotated[tuple[EventLearner, ...], Field(min_length=1)]


class AmountDefinition(CutoffDefinition):
    """An own task: how much of something comes in the horizon."""

    task: TaskName
    label: AmountLabel
    candidates: Annotated[tuple[AmountLearner, ...], Field(min_length=1)]
    gates: LtvGate


UPLIFT_LEARNERS = (
    "response",
    "recency_frequency",
    "averaged_effects",
    "paired_effects",
    "two_part",
    "s_learner",
    "t_learner",
    "x_learner",
    "r_learner",
    "dr_learner",
    "causalml_s",
    "causalml_t",
    "causalml_x",
    "causalml_r",
    "causalml_dr",
    "causalml_forest",
)
UpliftLearner = Annotated[str, AfterValidator(known_or_own(UPLIFT_LEARNERS, "learner"))]


class WearSettings(Settings):
    """What a contact wears out, counted after its outcome window.

    Attributes:
        share: Share of customers whom a contact is believed to drive away where contacts that chance drew cannot tell:
            mean and deviation of the prior, and so a cautious default.
        watched_days: Days after the outcome window in which who stayed buys again.
        annoyed_by: Kinds of events by which customers say that a contact annoyed them, as complaints and opt-outs do.
        annoyed_days: Days from that of the contact on in which such an event is laid to it.
        valued_days: Days after the outcome window whose expected margin goes with who is driven away.
    """

    share: Annotated[float, Field(gt=0, lt=1)]
    watched_days: Days
    annoyed_by: tuple[str, ...] = ("complaint", "opt_out")
    annoyed_days: Days = 3
    valued_days: Days = 364


class UpliftDefinition(Definition):
    """Whom a contact changes, and by how much.

    Attributes:
        observation_days: Before the assignment; features see no further back.
        held_out_share: Of the contact rows, newest campaigns first, kept for judgement alone; a single campaign is
            split by customer.
        folds: Folds of customers for cross-fitting.
        max_rows: Contact rows kept; beyond it whole customers are sampled, and the card says so.
        observational: Campaigns that nobody randomized and that are learned from all the same, named one by one;
            everything made from them says "observational".
        wear: How it is learned what a contact wears out; None for not at all.
    """

    task: Literal["uplift"]
    observation_days: Days
    held_out_share: Annotated[float, Field(gt=0, lt=0.9)]
    folds: Annotated[int, Field(ge=2, le=20)]
    max_rows: Annotated[int, Field(ge=1000, le=MOST_ROWS)] = 500_000
    observational: tuple[str, ...] = ()
    wear: WearSettings | None = None
    candidates: Annotated[tuple[UpliftLearner, ...], Field(min_length=1)]
    gates: UpliftGate


CutoffTask = ChurnDefinition | LtvDefinition | EventDefinition | AmountDefinition
AnyDefinition = ChurnDefinition | FlagDefinition | LtvDefinition | EventDefinition | AmountDefinition | UpliftDefinition
DEFINITIONS: dict[TaskName, type[AnyDefinition]] = {
    "churn": ChurnDefinition,
    "ltv": LtvDefinition,
    "ltv_year": LtvDefinition,
    "uplift": UpliftDefinition,
}
OWN: dict[str, type[AnyDefinition]] = {"event": EventDefinition, "amount": AmountDefinition}


def load_definition(path: Path, task: TaskName) -> AnyDefinition:
    """Read the definition of a task: one of ours by its name, an own one by the kind of its label.

    Raises:
        ConfigError: With all mistakes of the file at once.
    """
    definition: AnyDefinition = load_settings(path, _kind_of(path, task))
    if definition.task != task:
        raise ConfigError(f"{path}: task is {definition.task}, the config names the file for {task}: make them agree")
    return definition


def _kind_of(path: Path, task: TaskName) -> type[AnyDefinition]:
    content = read_yaml(path) if task == "churn" or task not in DEFINITIONS else None
    label = content.get("label") if isinstance(content, dict) else None
    kind = label.get("kind") if isinstance(label, dict) else None
    if task in DEFINITIONS:
        return FlagDefinition if kind == "flag" else DEFINITIONS[task]
    if kind not in OWN:
        raise ConfigError(
            f"{path}: {task} is none of our tasks ({', '.join(DEFINITIONS)}){did_you_mean(task, list(DEFINITIONS))}; a "
            f"task of your own has label.kind {' or '.join(OWN)}, found {kind or 'none'}. See docs/how-to/own-parts.md"
        )
    return OWN[kind]


__all__ = [
    "AmountDefinition", "AnyDefinition", "ChurnDefinition", "CutoffTask", "EventDefinition", "EventTask",
    "FlagDefinition", "LtvDefinition", "UpliftDefinition", "load_definition",
]  # fmt: skip
