// By the first byte: any bytes as a row of a dataset and as its lineage, as CSV, as a file of another tool with labels or feedback, or as a text that
// personal data is taken out of. What is accepted can be written and read again; what is found lies inside the text.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/json.h"
#include "base/utf8.h"
#include "dataset/csv.h"
#include "dataset/language.h"
#include "dataset/near_duplicates.h"
#include "dataset/personal_data.h"
#include "dataset/row.h"
#include "labels/exchange.h"

namespace firesteel {
namespace {

void row(std::string_view text) {
  const Result<Json> json = Json::parse(text, {.depth = 32, .values = 4096});
  if (!json.ok()) return;
  if (const Result<DatasetRow> first = parse_row(*json); first.ok()) {
    const Result<DatasetRow> again = parse_row(row_json(*first));
    CHECK(again.ok() && *again == *first && row_id(*again) == row_id(*first));
    CHECK(first->kind != DatasetRow::Kind::kPair || first->chosen != first->rejected);
    DatasetRow changed = *first;
    for_each_text(&changed, [](std::string* one) { one->clear(); });
    CHECK(answer_text(changed).empty());
    CHECK(jaccard(shingles_of(joined_text(*first)), shingles_of(joined_text(*first))) == 1);
  }
  Lineage lineage;
  lineage.id = "ab12";
  if (!read_origin(*json, &lineage).ok()) return;
  const Result<Lineage> again = parse_lineage(lineage_json(lineage));
  CHECK(again.ok() && *again == lineage);
}

void csv(std::string_view text) {
  for (const char separator : {',', guess_csv_separator(text.substr(0, text.find('\n')))}) {
    for (const size_t bytes_max : {size_t{1} << 20, size_t{64}}) {
      for (size_t at = 0; at < text.size();) {
        CsvRecord record;
        const Status status = read_csv_record(text, at, separator, bytes_max, &record);
        CHECK(record.end > at && record.end <= text.size());
        size_t n_bytes = 0;
        for (const std::string& field : record.fields) n_bytes += field.size();
        CHECK(!status.ok() || n_bytes <= record.end - at);
        at = record.end;
      }
    }
  }
}

void exchange(std::string_view text) {
  for (const char* format : {"messages", "openai", "pairs", "label-studio", "open-webui"}) {
    const Result<ImportedTasks> tasks = import_tasks(format, text);
    if (!tasks.ok()) {
      CHECK(is_valid_utf8(tasks.error().message) && tasks.error().message.size() < 4096);
      continue;
    }
    for (const ImportedTasks::Rejected& one : tasks->rejected) CHECK(one.row > 0 && !one.reason.empty() && is_valid_utf8(one.reason));
  }
}

void personal(std::string_view text) {
  static const PersonalDataFinder finder({"Ada Gray", "Will", "Zo\xC3\xAB"});
  size_t end = 0;
  for (const PersonalSpan& span : finder.find(text)) {
    CHECK(span.begin >= end && span.end > span.begin && span.end <= text.size());
    end = span.end;
  }
  Scrubber scrubber(finder);
  const std::string clean = scrubber.scrub(text);
  CHECK(!is_valid_utf8(text) || is_valid_utf8(clean));
  guess_language(text);
  const std::vector<std::string> twice = {std::string(text), clean, std::string(text)};
  const std::vector<NearDuplicate> repeats = find_near_duplicates(twice, 0.7);
  CHECK(!repeats.empty() && repeats.back().row == 2);
}

}  // namespace
}  // namespace firesteel

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace firesteel;
  if (size < 2 || size > 8192) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 4) {
    case 0: row(text); break;
    case 1: csv(text); break;
    case 2: exchange(text); break;
    default: personal(text); break;
  }
  return 0;
}
