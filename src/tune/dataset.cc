#include "tune/dataset.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string_view>
#include <utility>

#include "base/json.h"
#include "base/mapped_file.h"
#include "checkpoint/hash128.h"
#include "image/decode.h"
#include "model/adapter.h"

namespace firesteel {
namespace {

constexpr uint64_t kFileBytesMax = uint64_t{4} << 30;
constexpr size_t kLineBytesMax = size_t{16} << 20;
constexpr size_t kMessagesMax = 1024;
constexpr size_t kRefusalsShown = 10;

Error invalid(std::string text) { return {ErrorCode::kInvalidArgument, std::move(text)}; }

class RowEncoder {
 public:
  RowEncoder(const BaseModel& base, const TuneDataOptions& options, const std::string& folder) : base_(base), options_(options), folder_(folder) {}

  Status run(const std::string& line, std::vector<EncodedSample>* samples) {
    Result<Json> row = Json::parse(line, {.depth = 32, .values = 1u << 20});
    if (!row.ok()) return row.error();
    if (!row->is_object()) return invalid("expected an object");
    FS_TRY(thinking_, flag(*row, "thinking", options_.thinking));
    FS_TRY(tools_, flag(*row, "tools", options_.tools));
    return options_.kind == TuneKind::kSupervised ? supervised(*row, samples) : preference(*row, samples);
  }

 private:
  static Result<bool> flag(const Json& row, const char* key, bool otherwise) {
    const Json* value = row.find(key);
    if (value == nullptr) return otherwise;
    if (!value->is_bool()) return invalid(std::string(key) + ": expected true or false");
    return value->as_bool();
  }

  static Result<std::string> role_of(const Json& message, size_t i) {
    const Json* role = message.find("role");
    if (role == nullptr || !role->is_string()) return invalid("messages[" + std::to_string(i) + "]: expected a role and content");
    const std::string& name = role->as_string();
    if (name != "system" && name != "user" && name != "assistant" && name != "tool") return invalid("messages[" + std::to_string(i) + "].role: unknown role \"" + name + "\"");
    return name;
  }

  Status supervised(const Json& row, std::vector<EncodedSample>* samples) {
    const Json* messages = row.find("messages");
    if (messages == nullptr || !messages->is_array()) return invalid("expected \"messages\", a list");
    if (messages->as_array().size() > kMessagesMax) return invalid("messages: more than " + std::to_string(kMessagesMax));
    std::vector<EncodedSample> encoded;
    Json::Array before;
    for (size_t i = 0; i < messages->as_array().size(); ++i) {
      const Json& message = messages->as_array()[i];
      FS_TRY(const std::string role, role_of(message, i));
      if (role == "assistant") {
        if (message.find("tool_calls") != nullptr) return invalid("messages[" + std::to_string(i) + "].tool_calls: answers with calls cannot be learnt from rows; write the model's raw text");
        FS_TRY(const std::string target, plain_text(message, "messages[" + std::to_string(i) + "]"));
        if (before.empty()) return invalid("messages[" + std::to_string(i) + "]: an answer without a question");
        FS_TRY(encoded.emplace_back(), encode(before, target));
      }
      before.push_back(message);
    }
    if (encoded.empty()) return invalid("messages: none of the assistant: nothing to learn");
    std::move(encoded.begin(), encoded.end(), std::back_inserter(*samples));
    return {};
  }

  Status preference(const Json& row, std::vector<EncodedSample>* samples) {
    // OpenAI's preference format says the same with other words.
    const Json* input = row.find("input");
    const bool is_openai = row.find("prompt") == nullptr && input != nullptr && input->is_object();
    const Json* prompt = is_openai ? input->find("messages") : row.find("prompt");
    if (prompt == nullptr) return invalid("expected \"prompt\", \"chosen\" and \"rejected\", or \"input\" with messages, \"preferred_output\" and \"non_preferred_output\"");
    Json::Array messages;
    if (prompt->is_string()) {
      messages.push_back(Json::Object{{"role", "user"}, {"content", *prompt}});
    } else if (prompt->is_array() && !prompt->as_array().empty() && prompt->as_array().size() <= kMessagesMax) {
      messages = prompt->as_array();
      for (size_t i = 0; i < messages.size(); ++i) FS_TRY_VOID(role_of(messages[i], i));
    } else {
      return invalid("prompt: expected a text or a list of messages");
    }
    std::vector<EncodedSample> pair;
    for (const char* key : {is_openai ? "preferred_output" : "chosen", is_openai ? "non_preferred_output" : "rejected"}) {
      const Json* answer = row.find(key);
      if (answer == nullptr) return invalid(std::string("expected \"") + key + "\"");
      std::string text;
      if (answer->is_string()) {
        text = answer->as_string();
      } else {
        const Json* message = answer->is_array() && answer->as_array().size() == 1 ? &answer->as_array()[0] : answer;
        FS_TRY(text, plain_text(*message, key));
      }
      FS_TRY(pair.emplace_back(), encode(messages, text));
    }
    if (pair[0].ids == pair[1].ids) return invalid("the preferred and the rejected answer are the same");
    std::move(pair.begin(), pair.end(), std::back_inserter(*samples));
    return {};
  }

  static Result<std::string> plain_text(const Json& message, const std::string& where) {
    const Json* content = message.find("content");
    if (content != nullptr && content->is_string()) return content->as_string();
    if (content != nullptr && content->is_array() && content->as_array().size() == 1) {
      const Json* text = content->as_array()[0].find("text");
      if (text != nullptr && text->is_string()) return text->as_string();
    }
    return invalid(where + ".content: expected a text");
  }

  // Pictures of a message out of its content; parts become {"type": "image"} as the template has them.
  Status take_pictures(Json* message, std::vector<RgbImage>* images) const {
    const Json* content = message->find("content");
    if (content == nullptr || !content->is_array()) return {};
    Json::Array parts;
    for (const Json& part : content->as_array()) {
      const Json* type = part.find("type");
      if (type == nullptr || !type->is_string()) return invalid("content: expected parts with a type");
      if (type->as_string() == "text") {
        parts.push_back(part);
        continue;
      }
      const Json* source = part.find("image");
      if (const Json* url = part.find("image_url"); url != nullptr) source = url->is_object() ? url->find("url") : url;
      if (source == nullptr || !source->is_string()) return invalid("content: a part of type \"" + type->as_string() + "\" without text or picture");
      if (!base_.sees) return Error{ErrorCode::kUnsupported, "content: the model does not see pictures"};
      if (images->size() >= 16) return invalid("content: more than 16 pictures");
      std::string bytes;
      if (source->as_string().starts_with("data:")) {
        FS_TRY(bytes, decode_data_uri(source->as_string()));
      } else if (folder_.empty()) {
        return invalid("content: files are not read here; send a data URI");
      } else {
        FS_TRY(bytes, read_file((std::filesystem::path(folder_) / source->as_string()).string(), ImageLimits{}.max_bytes));
      }
      FS_TRY(images->emplace_back(), decode_image(std::as_bytes(std::span(bytes.data(), bytes.size()))));
      parts.push_back(Json::Object{{"type", "image"}});
    }
    message->set("content", std::move(parts));
    return {};
  }

  Result<EncodedSample> encode(Json::Array messages, const std::string& target) const {
    EncodedSample out;
    std::vector<RgbImage> images;
    for (Json& message : messages) FS_TRY_VOID(take_pictures(&message, &images));
    const PatchParams& patches = base_.patches;
    std::vector<PatchGrid> grids;
    std::vector<int32_t> n_patches;
    for (const RgbImage& image : images) {
      grids.push_back(plan_patches(image.width, image.height, patches));
      n_patches.push_back(grids.back().n());
    }
    const ChatEncoder encoder{base_.tokenizer.get(), base_.chat_template.get(), base_.numbers.get()};
    const Json list = std::move(messages), nothing, variables = Json::Object{{"enable_thinking", thinking_}};
    const Json calculator = Json::Array{Json::Object{{"type", "function"}, {"function", Json::Object{{"name", "calculator"}}}}};
    FS_TRY(const EncodedChat chat, encoder.encode({.messages = list, .tools = tools_ ? calculator : nothing, .template_variables = variables, .n_patches = n_patches}));
    FS_TRY(const std::vector<TokenId> answer, encoder.encode_target(target, chat));
    out.ids.assign(chat.ids.begin(), chat.ids.end());
    out.n_prompt = static_cast<int32_t>(out.ids.size());
    out.ids.insert(out.ids.end(), answer.begin(), answer.end());
    out.ids.push_back(*base_.tokenizer->eos());
    if (out.n_prompt == 0) return invalid("the template makes nothing of the prompt");
    out.adapter_from = static_cast<int32_t>(adapter_start(std::span(out.ids).first(static_cast<size_t>(out.n_prompt)), options_.activation));
    if (out.adapter_from == out.n_prompt) return invalid("the tokens that activate the adapter (--activate-at) do not occur in the prompt");
    if (static_cast<int64_t>(out.ids.size()) - 1 > options_.n_tokens_max) {
      return invalid(std::to_string(out.ids.size() - 1) + " tokens, at most " + std::to_string(options_.n_tokens_max) + " (--max-tokens)");
    }
    for (const PictureRows& rows : chat.pictures) {
      const PatchGrid grid = grids[rows.index];
      for (int32_t p = 0; p < grid.n(); ++p) out.patches.push_back({static_cast<int32_t>(rows.begin) + p, p / grid.columns, p % grid.columns});
      const size_t first = out.patch_values.size();
      out.patch_values.resize(first + static_cast<size_t>(grid.n() * patches.patch_dim()));
      make_patches(images[rows.index], grid, patches, std::span(out.patch_values).subspan(first));
    }
    return out;
  }

  const BaseModel& base_;
  const TuneDataOptions& options_;
  const std::string& folder_;
  bool thinking_ = false, tools_ = false;
};

}  // namespace

Status encode_row(const std::string& line, const BaseModel& base, const TuneDataOptions& options, const std::string& folder, std::vector<EncodedSample>* samples) {
  return RowEncoder(base, options, folder).run(line, samples);
}

Result<TuneData> read_tune_data(const std::string& path, const BaseModel& base, const TuneDataOptions& options) {
  TuneData data;
  std::string file = path;
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    file = path + "/rows.jsonl";
    data.version = std::filesystem::path(path).lexically_normal().filename().string();
  }
  FS_TRY(const MappedFile mapped, MappedFile::open(file));
  const std::string_view text(reinterpret_cast<const char*>(mapped.bytes().data()), mapped.bytes().size());
  if (text.size() > kFileBytesMax) return Error{ErrorCode::kResourceExhausted, file + ": larger than 4 GiB"};
  const std::string folder = std::filesystem::path(file).has_parent_path() ? std::filesystem::path(file).parent_path().string() : ".";
  Hash128 hash;
  hash.update(text);
  data.digest = hash.finish_hex();
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    at = end + 1;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    ++data.n_rows;
    const Status status = line.size() > kLineBytesMax ? Status(invalid("longer than 16 MiB")) : encode_row(std::string(line), base, options, folder, &data.samples);
    if (status.ok()) continue;
    ++data.n_refused;
    if (data.refusals.size() < kRefusalsShown) data.refusals.push_back("row " + std::to_string(data.n_rows) + ": " + status.error().message);
  }
  if (data.n_rows == 0) return invalid(file + ": no rows");
  if (data.samples.empty() || data.n_refused * 10 > data.n_rows) {
    return invalid(file + ": " + std::to_string(data.n_refused) + " of " + std::to_string(data.n_rows) + " rows cannot be used; " + data.refusals.front());
  }
  return data;
}

}  // namespace firesteel
