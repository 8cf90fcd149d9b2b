"""Names that columns and files of the contract's tables have elsewhere, in English and Russian."""

from __future__ import annotations

import re
from collections.abc import Mapping

CUSTOMER = (
    "customer", "client", "client id", "cust", "cust id", "user", "user id", "card", "card no", "card number",
    "loyalty id", "subscriber", "subscriber id", "msisdn", "account", "account id", "household", "household key",
    "member", "member id", "buyer", "person", "contract", "клиент", "код клиента", "номер клиента", "карта",
    "номер карты", "абонент", "покупатель", "лицевой счет",
)  # fmt: skip
WHEN = ("date", "datetime", "timestamp", "time", "ts", "day", "дата", "время", "день")
COST = ("cost", "price", "unit cost", "стоимость", "цена", "стоимость контакта")
CAMPAIGN = ("campaign", "camp id", "mailing", "mailing id", "test id", "experiment id", "кампания", "код кампании")
OFFER = ("offer", "arm", "variant", "treatment", "group", "creative", "оффер", "предложение", "группа", "вариант")
KIND = ("type", "event", "event type", "event name", "action", "тип", "событие")

COLUMNS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "customers": {
        "customer_id": (*CUSTOMER, "id"),
        "joined_at": (
            "joined", "since", "registered", "registered at", "registration date", "signup", "signup date", "created",
            "created at", "member since", "activated at", "activation date", "first seen", "start date", "join date",
            "дата регистрации", "регистрация", "дата подключения", "дата активации", "дата вступления",
        ),
        "birth_date": ("birthday", "birth", "dob", "date of birth", "дата рождения", "день рождения"),
        "region": ("city", "state", "country", "регион", "город"),
        "acquisition_channel": ("acquisition source", "source", "utm source", "источник", "канал привлечения"),
        "acquisition_cost": ("cac", "стоимость привлечения"),
        "cancelled_at": (
            "cancelled", "canceled at", "cancel date", "cancellation date", "closed at", "churned at", "churn date",
            "deactivated at", "termination date", "end date", "дата отключения", "дата расторжения", "дата оттока",
        ),
        "churned": (
            "churn", "is churn", "churn flag", "churn label", "left", "exited", "attrition", "attrited", "is churned",
            "отток", "ушел",
        ),
        "monthly_revenue": ("monthly charges", "arpu", "mrr", "monthly fee", "monthly bill", "bill", "абонплата"),
        "monthly_margin": ("monthly profit", "маржа в месяц"),
    },
    "transactions": {
        "customer_id": CUSTOMER,
        "occurred_at": (
            *WHEN, "order date", "purchase date", "paid at", "payment date", "invoice date", "transaction date",
            "sale date", "receipt date", "bought at", "purchased at", "created at", "дата покупки", "дата чека",
            "дата заказа", "дата продажи", "дата операции",
        ),
        "revenue": (
            "amount", "sum", "total", "sales", "sales value", "spend", "turnover", "paid", "order total", "net amount",
            "payment", "gmv", "сумма", "выручка", "оборот", "сумма чека", "сумма заказа",
        ),
        "margin": ("gross profit", "profit", "gross margin", "contribution", "маржа", "прибыль", "валовая прибыль"),
        "transaction_id": (
            "receipt", "receipt id", "receipt no", "order", "order id", "order no", "invoice", "invoice no",
            "invoice id", "check id", "basket id", "ticket", "purchase id", "чек", "номер чека", "заказ",
            "номер заказа",
        ),
        "category": ("product group", "department", "commodity", "product category", "категория", "товарная группа"),
        "channel": ("sales channel", "канал", "канал продаж"),
        "promo": ("is promo", "on promo", "discounted", "промо", "акция"),
        "is_return": ("return", "refund", "returned", "is refund", "возврат"),
        "ingested_at": ("loaded at", "load date", "etl date", "inserted at", "дата загрузки"),
    },
    "campaigns": {
        "campaign_id": (*CAMPAIGN, "id"),
        "started_at": ("start", "started", "start date", "launch date", "дата старта", "дата начала"),
        "outcome_days": ("days", "window", "window days", "duration days", "дней", "окно"),
        "name": ("title", "campaign name", "название", "имя"),
        "fixed_cost": ("cost", "budget", "бюджет", "затраты"),
        "randomized": ("random", "is randomized", "ab test"),
    },
    "contacts": {
        "campaign_id": CAMPAIGN,
        "customer_id": CUSTOMER,
        "assigned_at": (*WHEN, "assigned", "sent", "sent at", "contact date", "send date", "дата отправки"),
        "offer_id": OFFER,
        "propensity": ("probability", "prob", "share", "вероятность"),
        "arm_propensities": (),
        "contact_cost": COST,
        "reward_cost": ("reward", "bonus cost", "discount cost", "стоимость вознаграждения"),
        "delivered_at": ("delivered", "delivery date", "дата доставки"),
    },
    "offers": {
        "offer_id": (*OFFER, "id"),
        "channel": ("media", "канал"),
        "contact_cost": COST,
        "name": ("title", "offer name", "название", "имя"),
        "valid_from": ("from", "start", "start date", "действует с"),
        "valid_to": ("to", "until", "end", "end date", "действует до"),
    },
    "events": {
        "customer_id": CUSTOMER,
        "occurred_at": (*WHEN, "event date", "event time", "created at"),
        "kind": KIND,
        "value": ("amount", "значение"),
    },
    "surveys": {
        "customer_id": CUSTOMER,
        "answered_at": (*WHEN, "answer date", "survey date", "дата ответа"),
        "kind": ("type", "survey", "survey type", "metric", "тип", "опрос"),
        "score": ("nps", "rating", "mark", "answer", "оценка", "балл"),
    },
    "item_scores": {
        "customer_id": CUSTOMER,
        "item": ("item id", "product", "product id", "sku", "товар", "артикул"),
        "score": ("rank score", "relevance", "оценка", "вес"),
    },
}  # fmt: skip
"""Contract table to contract column to the names that it goes by elsewhere; the contract's own name is always known."""

FILES: Mapping[str, tuple[str, ...]] = {
    "customers": (
        "customer", "clients", "client", "users", "crm", "subscribers", "members", "households", "people", "cards",
        "extract", "клиенты", "абоненты", "покупатели",
    ),
    "transactions": (
        "transaction", "receipts", "receipt", "orders", "sales", "purchases", "payments", "checks", "invoices", "tx",
        "чеки", "продажи", "заказы", "покупки", "платежи",
    ),
    "campaigns": ("campaign", "mailings", "кампании"),
    "contacts": ("contact", "communications", "sendings", "assignments", "touches", "контакты", "рассылки"),
    "offers": ("offer", "treatments", "creatives", "предложения", "офферы"),
    "events": ("event", "logs", "clicks", "события"),
    "surveys": ("survey", "nps", "csi", "answers", "опросы"),
    "item_scores": ("recommendations", "recs", "рекомендации"),
}  # fmt: skip
"""Contract table to names of files that hold it elsewhere."""

CONSENT = ("consent", "agree", "agreed", "allow", "allowed", "permission", "opt", "optin", "согласие", "разрешение")


def words_of(name: str) -> tuple[str, ...]:
    """The words of a name, in lower case.

    Examples:
        >>> words_of("InvoiceNo"), words_of("Дата_чека"), words_of("customerID")
        (('invoice', 'no'), ('дата', 'чека'), ('customer', 'id'))
    """
    parted = re.sub(r"(?<=[a-zа-я0-9])(?=[A-ZА-Я])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    return tuple(re.findall(r"[^\W_]+", parted.casefold().replace("ё", "е")))


def likeness(name: str, own: str, others: tuple[str, ...]) -> float:
    """How surely a name means `own`: 3 its own name, 2 a name that it goes by, 1 one of those among other words, 0 no.

    Examples:
        >>> likeness("customer_id", "customer_id", CUSTOMER), likeness("Client", "customer_id", CUSTOMER)
        (3.0, 2.0)
        >>> likeness("crm_client_code", "customer_id", CUSTOMER), likeness("tariff", "customer_id", CUSTOMER)
        (1.0, 0.0)
    """
    words = words_of(name)
    if words == words_of(own):
        return 3.0
    known = [tuple(other.split()) for other in others]
    if words in known:
        return 2.0
    inside = any(set(other) <= set(words) for other in known if len("".join(other)) > 2)
    return 1.0 if inside else 0.0
