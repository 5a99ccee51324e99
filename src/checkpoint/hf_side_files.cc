// Special tokens, sampling advice and chat templates of a Hugging Face folder. Nothing here is essential: what has an unexpected
// form is left out, and the tokenizer or the user says what is needed.
#include <algorithm>

#include "checkpoint/hf_config.h"

namespace firesteel {
namespace {

// A token is written as a string, or as an object with its content.
const std::string* token_text(const Json* token) {
  if (token != nullptr && token->is_object()) token = token->find("content");
  return token != nullptr && token->is_string() ? &token->as_string() : nullptr;
}

// Id of a special token by its text, from the table of added tokens.
std::optional<int64_t> added_token_id(const Json& tokenizer_config, const std::string& text) {
  const Json* table = tokenizer_config.find("added_tokens_decoder");
  if (table == nullptr || !table->is_object()) return std::nullopt;
  for (const auto& [id, token] : table->as_object()) {
    const std::string* content = token_text(&token);
    if (content == nullptr || *content != text || id.empty() || id.size() > 9) continue;
    if (!std::all_of(id.begin(), id.end(), [](char c) { return c >= '0' && c <= '9'; })) continue;
    int64_t value = 0;
    for (const char c : id) value = value * 10 + (c - '0');
    return value;
  }
  return std::nullopt;
}

// An id, or a list of ids.
void append_ids(const Json* value, std::vector<int64_t>* ids) {
  if (value == nullptr) return;
  const auto append = [ids](const Json& element) {
    if (!element.is_int() || element.as_int() < 0 || element.as_int() > INT32_MAX) return;
    if (std::find(ids->begin(), ids->end(), element.as_int()) == ids->end() && ids->size() < 64) ids->push_back(element.as_int());
  };
  if (value->is_array()) {
    for (const Json& element : value->as_array()) append(element);
  } else {
    append(*value);
  }
}

void add_special_tokens(const HfSideFiles& files, Metadata* metadata) {
  struct Special {
    const char* name;
    const char* key;
  };
  for (const Special& special : {Special{"bos_token", "tokenizer.ggml.bos_token_id"}, Special{"eos_token", "tokenizer.ggml.eos_token_id"},
                                 Special{"pad_token", "tokenizer.ggml.padding_token_id"}, Special{"unk_token", "tokenizer.ggml.unknown_token_id"}}) {
    std::vector<int64_t> ids;
    // The tokenizer's own word first: chat models end a turn with a token that config.json may not call the end.
    if (const std::string* text = token_text(files.tokenizer_config.find(special.name))) {
      if (const auto id = added_token_id(files.tokenizer_config, *text)) ids.push_back(*id);
    }
    const std::string id_name = std::string(special.name) + "_id";
    append_ids(files.generation_config.find(id_name), &ids);
    append_ids(files.config.find(id_name), &ids);
    if (const Json* text_config = files.config.find("text_config")) append_ids(text_config->find(id_name), &ids);
    if (ids.empty()) continue;
    metadata->set(special.key, ids[0]);
    if (std::string_view(special.name) == "eos_token") metadata->set("tokenizer.ggml.eos_token_ids", std::move(ids));
  }
  for (const char* name : {"add_bos_token", "add_eos_token"}) {
    const Json* value = files.tokenizer_config.find(name);
    if (value != nullptr && value->is_bool()) metadata->set(std::string("tokenizer.ggml.") + name, value->as_bool());
  }
}

void add_sampling(const Json& generation, Metadata* metadata) {
  struct Advice {
    const char* name;
    const char* key;
    bool is_integer;
  };
  for (const Advice& advice : {Advice{"temperature", "general.sampling.temp", false}, Advice{"top_k", "general.sampling.top_k", true},
                               Advice{"top_p", "general.sampling.top_p", false}, Advice{"min_p", "general.sampling.min_p", false},
                               Advice{"repetition_penalty", "general.sampling.penalty_repeat", false}}) {
    const Json* value = generation.find(advice.name);
    if (value == nullptr || !value->is_number()) continue;
    if (advice.is_integer && value->is_int()) metadata->set(advice.key, value->as_int());
    if (!advice.is_integer) metadata->set(advice.key, value->as_double());
  }
}

class Templates {
 public:
  Templates(Metadata* metadata, std::deque<std::string>* strings) : metadata_(metadata), strings_(strings) {}

  // A string, or a list of {name, template} of which "default" is the one.
  void add(const Json* value) {
    if (value == nullptr) return;
    if (value->is_string()) return add_one("default", value->as_string());
    if (!value->is_array()) return;
    std::vector<std::string_view> names;
    for (const Json& element : value->as_array()) {
      const Json *name = element.find("name"), *text = element.find("template");
      if (name == nullptr || !name->is_string() || text == nullptr || !text->is_string() || names.size() == 32) continue;
      add_one(name->as_string(), text->as_string());
      if (name->as_string() != "default") names.push_back(strings_->emplace_back(name->as_string()));
    }
    if (!names.empty()) metadata_->set("tokenizer.chat_templates", std::move(names));
  }
  void add_one(const std::string& name, const std::string& text) {
    const std::string key = name == "default" ? "tokenizer.chat_template" : "tokenizer.chat_template." + name;
    metadata_->set(key, std::string_view(strings_->emplace_back(text)));
  }

 private:
  Metadata* metadata_;
  std::deque<std::string>* strings_;
};

}  // namespace

void add_hf_side_files(const HfSideFiles& files, Metadata* metadata, std::deque<std::string>* strings) {
  add_special_tokens(files, metadata);
  add_sampling(files.generation_config, metadata);
  // The newest place wins: a later set replaces.
  Templates templates(metadata, strings);
  templates.add(files.tokenizer_config.find("chat_template"));
  templates.add(files.chat_template_json.find("chat_template"));
  if (!files.chat_template_jinja.empty()) templates.add_one("default", files.chat_template_jinja);
}

}  // namespace firesteel
