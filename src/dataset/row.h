// One row of a dataset, and where it came from.
//
// A row is one of: a conversation ({"messages": [...]}), a preference ({"prompt", "chosen", "rejected"}), or plain text ({"text"}). Its lineage
// goes with it through every step as the same line of another file, so the rows are what a trainer reads and hold nothing about persons' accounts.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace firesteel {

struct RowMessage {
  std::string role = {};     // "system", "user", "assistant", "tool"
  std::string content = {};
  bool operator==(const RowMessage&) const = default;
};

struct DatasetRow {
  enum class Kind : uint8_t { kMessages, kPair, kText };
  Kind kind = Kind::kText;
  std::vector<RowMessage> messages = {};  // kMessages: all of it, with an assistant's message last; kPair: the prompt, a user's or tool's message last
  std::string chosen = {}, rejected = {};  // kPair; never equal
  std::string text = {};                   // kText
  bool operator==(const DatasetRow&) const = default;
};
const char* row_kind_name(DatasetRow::Kind kind);

struct Lineage {
  std::string id = {};             // of the row as it was ingested: row_id(); stays when later steps change the row
  std::string source = {};         // file name without folders, or "feedback"
  int64_t line = 0;                // 1-based line (JSONL, CSV) or passage (documents) in it
  std::string source_digest = {};  // SHA-256 of the source, 64 hex digits; empty when it was none
  std::string tenant = {}, user = {}, variant = {}, prompt_digest = {}, feedback = {};  // empty: not known
  int64_t at_us = 0;               // when it was said, Unix microseconds; 0: not known
  std::string language = {};       // "en", "und" ...; empty: not looked at
  bool operator==(const Lineage&) const = default;
};

struct LineageRow {
  DatasetRow row = {};
  Lineage lineage = {};
};

// Reads the shapes that are about: messages (content as text or as parts of type text), prompt/chosen/rejected (texts or lists of messages),
// prompt or question or instruction (+ input) with completion, response, answer or output, ShareGPT's conversations, text. kInvalidArgument says
// what is wrong with it in words that fit behind "row 17: ".
Result<DatasetRow> parse_row(const Json& json);
Json row_json(const DatasetRow& row);

// Members of the same object that are about its origin: tenant, user, variant, prompt_digest, feedback, at (Unix seconds or microseconds).
// kFailedPrecondition when it says "consent": false; kInvalidArgument when one is neither a text of at most 256 bytes nor a whole number.
Status read_origin(const Json& json, Lineage* lineage);
Result<Lineage> parse_lineage(const Json& json);
Json lineage_json(const Lineage& lineage);

// Calls `text` for each text that a person or a model wrote, roles left out; it may change it.
void for_each_text(DatasetRow* row, const std::function<void(std::string*)>& text);
std::string joined_text(const DatasetRow& row);   // all of it, a line each
std::string prompt_text(const DatasetRow& row);   // what was asked: system, user and tool messages; empty for plain text
std::string answer_text(const DatasetRow& row);   // the last assistant's message, the chosen answer, or the text

std::string row_id(const DatasetRow& row);  // 32 hex digits of SHA-256 over its canonical JSON

}  // namespace firesteel
