// firesteel usage: what was used, by day, tenant, key and model; and the price list.
#include <memory>

#include <fmt/format.h>

#include "commands.h"
#include "manage.h"

namespace firesteel {
namespace {

struct UsageOptions {
  ManageOptions manage;
  std::string tenant, key, model, from, until, by = "day,tenant";
  bool csv = false;
  double prompt = -1, cached = -1, generated = -1;
};

Result<UsageQuery> query_of(Tenants& tenants, const UsageOptions& options) {
  UsageQuery query;
  if (!options.tenant.empty()) {
    FS_TRY(const TenantRecord tenant, find_tenant(tenants, options.tenant));
    query.tenant = tenant.id;
  }
  if (!options.key.empty()) {
    const std::optional<KeyId> id = KeyId::parse(options.key);
    if (!id) return Error{ErrorCode::kInvalidArgument, "--key: expected an id (key_...)"};
    query.key = *id;
  }
  query.model = options.model;
  const auto day = [](const std::string& text, const char* flag, int64_t* out) -> Status {
    if (text.empty()) return {};
    const std::optional<int64_t> parsed = parse_day(text);
    if (!parsed) return Error{ErrorCode::kInvalidArgument, fmt::format("{}: expected a day as 2026-11-23, found '{}'", flag, printable(text))};
    *out = *parsed;
    return {};
  };
  FS_TRY_VOID(day(options.from, "--from", &query.from_day));
  FS_TRY_VOID(day(options.until, "--until", &query.until_day));
  std::string_view words = options.by;
  while (!words.empty()) {
    const std::string_view word = words.substr(0, words.find(','));
    words.remove_prefix(std::min(words.size(), word.size() + 1));
    if (word == "day") query.by_day = true;
    else if (word == "tenant") query.by_tenant = true;
    else if (word == "key") query.by_key = true;
    else if (word == "model") query.by_model = true;
    else if (word != "total") return Error{ErrorCode::kInvalidArgument, fmt::format("--by: '{}' is none of day, tenant, key, model, total", word)};
  }
  return query;
}

Json row_json(const UsageRow& row) {
  Json json(Json::Object{});
  for (const auto& [name, value] : {std::pair<const char*, const std::string&>("day", row.day), {"tenant", row.tenant}, {"key", row.key}, {"model", row.model}}) {
    if (!value.empty()) json.set(name, value);
  }
  json.set("requests", row.n_requests);
  json.set("prompt_tokens", row.tokens.prompt);
  json.set("cached_tokens", row.tokens.cached);
  json.set("generated_tokens", row.tokens.generated);
  json.set("cost_micros", row.cost_micros);
  return json;
}

void print_rows(const std::vector<UsageRow>& rows, const UsageQuery& query, Tenants& tenants) {
  std::vector<std::vector<std::string>> table(1);
  if (query.by_day) table[0].push_back("DAY");
  if (query.by_tenant) table[0].push_back("TENANT");
  if (query.by_key) table[0].push_back("KEY");
  if (query.by_model) table[0].push_back("MODEL");
  for (const char* head : {"REQUESTS", "PROMPT", "CACHED", "GENERATED", "COST"}) table[0].emplace_back(head);
  for (const UsageRow& row : rows) {
    std::vector<std::string>& line = table.emplace_back();
    if (query.by_day) line.push_back(row.day);
    if (query.by_tenant) {
      const std::optional<TenantRecord> tenant = tenants.find_tenant(row.tenant);
      line.push_back(tenant ? printable(tenant->name) : row.tenant);
    }
    if (query.by_key) line.push_back(row.key);
    if (query.by_model) line.push_back(printable(row.model));
    for (const int64_t number : {row.n_requests, row.tokens.prompt, row.tokens.cached, row.tokens.generated}) line.push_back(std::to_string(number));
    line.push_back(money_text(row.cost_micros));
  }
  print_table(table);
}

int show_usage(const UsageOptions& options) {
  return with_installation(options.manage, /*must_exist=*/true, [&](Installation& installation) -> Status {
    FS_TRY(const UsageQuery query, query_of(*installation.tenants, options));
    FS_TRY(const std::vector<UsageRow> rows, installation.tenants->usage(query));
    if (options.csv) {
      fmt::print("{}", usage_csv(rows));
    } else if (options.manage.json) {
      Json::Array list;
      for (const UsageRow& row : rows) list.push_back(row_json(row));
      fmt::print("{}\n", Json(Json::Object{{"usage", std::move(list)}}).dump());
    } else {
      print_rows(rows, query, *installation.tenants);
    }
    return {};
  });
}

int show_prices(const UsageOptions& options) {
  return with_installation(options.manage, /*must_exist=*/true, [&](Installation& installation) -> Status {
    if (!options.model.empty()) {
      const auto micros = [](double units) { return units < 0 ? 0 : static_cast<int64_t>(units * 1e6 + 0.5); };
      FS_TRY_VOID(installation.tenants->set_price({.model = options.model, .prompt = micros(options.prompt), .cached = micros(options.cached),
                                                   .generated = micros(options.generated)}, cli_actor()));
    }
    Json::Array list;
    std::vector<std::vector<std::string>> rows = {{"MODEL", "PROMPT", "CACHED", "GENERATED (per million tokens)"}};
    for (const ModelPrice& price : installation.tenants->list_prices()) {
      list.push_back(Json::Object{{"model", price.model}, {"prompt_micros", price.prompt}, {"cached_micros", price.cached}, {"generated_micros", price.generated}});
      rows.push_back({printable(price.model), money_text(price.prompt), money_text(price.cached), money_text(price.generated)});
    }
    if (options.manage.json) {
      fmt::print("{}\n", Json(Json::Object{{"prices", std::move(list)}}).dump());
    } else {
      print_table(rows);
    }
    return {};
  });
}

}  // namespace

void add_usage(Command root) {
  Command usage = root.subcommand("usage", "Show what was used, and the price list");
  usage.examples("  firesteel usage show --by day,tenant\n  firesteel usage price");
  const auto options = std::make_shared<UsageOptions>();
  Command show = usage.subcommand("show", "Requests, tokens and cost, exact, summed up by what you name");
  show.text("--by", &options->by, "Comma-separated: day, tenant, key, model; or total");
  show.text("--tenant", &options->tenant, "Only this tenant (name or id)");
  show.text("--key", &options->key, "Only this key (id)");
  show.text("--model", &options->model, "Only this model");
  show.text("--from", &options->from, "First day, as 2026-11-01 (UTC)");
  show.text("--until", &options->until, "Day after the last one");
  show.flag("--csv", &options->csv, "Print CSV");
  add_manage_options(&show, &options->manage);
  show.excludes("--csv", "--json");
  show.examples(
      "  firesteel usage show\n"
      "  firesteel usage show --by day,key,model --tenant acme --from 2026-11-01 --csv > november.csv\n"
      "  firesteel usage show --by total --json");
  show.run([options] { return show_usage(*options); });

  const auto price_options = std::make_shared<UsageOptions>();
  Command price = usage.subcommand("price", "Show the price list, or set a model's prices");
  price.text("model", &price_options->model, "Model to set, '*' for all without a line of their own; absent: only show");
  price.number("--prompt", &price_options->prompt, 0, 1e6, "Currency units per million prompt tokens");
  price.number("--cached", &price_options->cached, 0, 1e6, "... per million prompt tokens from the cache");
  price.number("--generated", &price_options->generated, 0, 1e6, "... per million generated tokens");
  add_manage_options(&price, &price_options->manage);
  price.examples("  firesteel usage price\n  firesteel usage price '*' --prompt 0.10 --cached 0.02 --generated 0.40");
  price.run([price_options] { return show_prices(*price_options); });
}

}  // namespace firesteel
