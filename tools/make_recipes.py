#!/usr/bin/env python3
"""Writes the data of suites/recipes: examples to learn from and a suite for each application, all made up here, the same bytes each time.

    python3 tools/make_recipes.py [FOLDER]        # default: suites/recipes

A suite's slice "wording" says whether training has sentences of that kind ("seen", with other names and numbers) or not ("new")."""
import json
import pathlib
import random
import sys

FIRMS = [f"{first} {second}" for first in ["Alder", "Birch", "Cedar", "Dune", "Elm", "Fern", "Glade", "Heath", "Iris", "Juniper", "Larch", "Maple", "Oak", "Rowan", "Sorrel", "Willow"]
         for second in ["& Co", "Ltd", "GmbH", "plc", "Works", "Labs", "Foods", "Rail"]]
NAMES = ["Ann", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gus", "Hal", "Ida", "Jon", "Kim", "Lea"]

# ---- legal: what a clause of a contract is about, and whether a lawyer should look at it --------------------------------------------------
# A clause is for review when its period is under 30 days, or, without a period, when it binds one side only.
CLAUSES = {
    "termination": (["Either party may end this agreement with {d} days' notice.", "{f} may end this agreement with {d} days' notice.",
                     "This contract may be terminated by {f} on {d} days' written notice.", "The agreement ends {d} days after one party gives notice to the other."],
                    ["{f} is free to bring the contract to an end by a notice of {d} days."]),
    "payment": (["Invoices of {f} are payable within {d} days.", "The customer pays {f} within {d} days of the invoice.", "All sums are due {d} days after delivery.",
                 "{f} shall settle each invoice no later than {d} days after receipt."],
                ["Bills of {f} have to be paid at the latest {d} days after they come."]),
    "confidentiality": (["{both} keep what they learn from each other secret.", "{one} keeps all documents of the other side confidential.",
                         "Information marked secret is not passed on by {who}.", "{who} shall not disclose business secrets to third parties."],
                        ["Nothing that is learnt under this contract may be told to others by {who}."]),
    "liability": (["{who} is liable for damage up to the value of the contract.", "The liability of {who} is limited to the fees of one year.",
                   "For loss of data {who} is not liable.", "{who} answers for damage caused by gross negligence only."],
                  ["Damages owed by {who} never exceed the price paid."]),
    "governing law": (["This agreement is governed by the law of the place of {who}.", "Disputes are decided by the courts at the seat of {who}.",
                       "The law of the country of {who} applies.", "The courts of the home town of {who} alone decide."],
                      ["Any quarrel goes before a judge where {who} lives."]),
    "assignment": (["{who} may transfer rights under this contract to a third party.", "Rights under this agreement are not assigned without consent of {who}.",
                    "{who} may assign this contract to another company of its group.", "A transfer of this contract by {who} needs written consent."],
                   ["{who} may hand its rights from this deal on to somebody else."]),
}


def clause(rng, kind, new):
    template = rng.choice(CLAUSES[kind][1 if new else 0])
    firm, days, both = rng.choice(FIRMS), rng.choice([5, 7, 10, 14, 15, 20, 21, 25, 28, 30, 45, 60, 90, 120]), rng.random() < 0.5
    text = template.format(f=firm, d=days, both="Both parties", one=firm, who="either party" if both else firm)
    text = text[0].upper() + text[1:]
    if "{d}" in template:
        review = days < 30
    elif "{both}" in template:
        review = False
    elif "{one}" in template:
        review = True
    else:
        review = not both
    return f'Clause: "{text}" What kind is it, and does a lawyer have to see it?', f"Kind: {kind}. Review: {'yes' if review else 'no'}.", kind


def legal(rng, new):
    return clause(rng, rng.choice(list(CLAUSES)), new)


# ---- finance: which account an expense belongs to, and how many approvals it needs --------------------------------------------------------
# Up to 500 none, up to 5,000 one, above two.
EXPENSES = {
    "travel": (["train ticket to {c}", "hotel in {c}", "flight to {c}", "taxi from the station in {c}"], ["rental car for the days in {c}"]),
    "office": (["printer paper", "two desk lamps", "a box of pens", "a chair for the meeting room"], ["a shelf for folders"]),
    "software": (["licence for the drawing program", "subscription of the mail service", "storage in the cloud", "licence for the accounting program"], ["a seat of the chat program"]),
    "training": (["course on first aid", "seminar on tax law", "language lessons", "course for new managers"], ["workshop on safe driving"]),
    "hospitality": (["lunch with a customer", "dinner with partners", "coffee for the visitors", "catering of the open day"], ["breakfast for guests"]),
}
TOWNS = ["Bern", "Lyon", "Oslo", "Porto", "Graz", "Ghent", "Turin", "Malmo"]


def finance(rng, new):
    account = rng.choice(list(EXPENSES))
    item = rng.choice(EXPENSES[account][1 if new else 0]).format(c=rng.choice(TOWNS))
    amount = rng.choice([rng.randrange(20, 500), rng.randrange(501, 5000), rng.randrange(5001, 20000), rng.choice([500, 501, 5000, 5001])])
    approvals = "none" if amount <= 500 else "one" if amount <= 5000 else "two"
    return f"{rng.choice(NAMES)} spent {amount} euros: {item}. Which account is it, and how many approvals does it need?", f"Account: {account}. Approvals: {approvals}.", account


# ---- education: a pupil's sum is worked out and marked, and the mistake is named, for the teacher -------------------------------------------
def education(rng, new):
    a, b = rng.randrange(12, 90), rng.randrange(12, 90)
    carries = a % 10 + b % 10 > 9
    kinds = ["correct", "subtracted", "off by one"] + (["carry forgotten"] if carries else [])
    kind = rng.choice(kinds)
    wrote = {"correct": a + b, "subtracted": abs(a - b), "off by one": a + b + rng.choice([-1, 1]), "carry forgotten": a + b - 10}[kind]
    if kind == "subtracted" and wrote == a + b:
        kind = "correct"
    name = rng.choice(NAMES)
    text = (f"{name}'s sheet says {a} + {b} = {wrote}. Mark it, please." if new else
            rng.choice([f"{name} was asked {a} + {b} and wrote {wrote}. Mark it.", f"Mark this: {a} + {b} = {wrote}.", f"{name} says that {a} and {b} make {wrote}. Mark it."]))
    mark = "right" if kind == "correct" else f"wrong, {kind}"
    return text, f"{a} + {b} = {a + b}, written: {wrote}. Mark: {mark}.", kind


RECIPES = {
    "legal": (legal, "You sort clauses of contracts for a law office. You give no legal advice.", "kind",
              "Contract clauses: what kind, and whether a lawyer has to see them", 600),
    "finance": (finance, "You sort expenses for the bookkeeping of a firm.", "account", "Expenses: which account, how many approvals", 600),
    "education": (education, "You mark sums of pupils for their teacher.", "mistake", "Sums of pupils: worked out, marked, and the mistake named", 1200),
}

PLAN = """name = "{name}"
promote = "auto"

[[surface]]
name = "web"
shadow = 50
steps = [5, 25, 50]
min_answers = 100

[[gate]]
kind = "suite"
suite = "recipes/{name}"
needs = "better"

[[gate]]
kind = "live"
metric = "thumbs_down"
margin = 0.03
min = 100
"""

SUITE = """name = "recipes/{name}"
title = "{title}"
mode = "instant"
max_tokens = 48
system = "{system}"
"""


def write(folder, name):
    make, system, slice_name, title, n_train = RECIPES[name]
    rng = random.Random(f"firesteel {name} 1")
    folder = folder / name
    folder.mkdir(parents=True, exist_ok=True)
    train, seen = [], set()
    while len(train) < n_train:
        question, answer, _ = make(rng, False)
        if question in seen:
            continue
        seen.add(question)
        train.append({"messages": [{"role": "system", "content": system}, {"role": "user", "content": question}, {"role": "assistant", "content": answer}]})
    items = []
    while len(items) < 240:
        new = len(items) % 4 == 3
        question, answer, kind = make(rng, new)
        if question in seen:
            continue
        seen.add(question)
        items.append({"id": f"{name}-{len(items) + 1}", "messages": [{"role": "user", "content": question}], "answer": answer, "grader": "exact",
                      "slices": {slice_name: kind, "wording": "new" if new else "seen"}})
    for file, rows in (("train.jsonl", train), ("items.jsonl", items)):
        (folder / file).write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "suite.toml").write_text(SUITE.format(name=name, title=title, system=system))
    (folder / "system.txt").write_text(system + "\n")
    (folder / "plan.toml").write_text(PLAN.format(name=name))


if __name__ == "__main__":
    out = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent / "suites" / "recipes")
    for recipe in RECIPES:
        write(out, recipe)
