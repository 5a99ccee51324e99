#include "train/sample_encoder.h"

#include <map>
#include <utility>

#include "base/rng.h"

namespace firesteel {
namespace {

// One token for each patch that a mark lies in. Which of several marks, and of several tokens, is drawn anew for each sample: over many
// samples a patch is asked about all that is in it.
std::vector<ShardTarget> seen_in_patches(const Sample& sample, size_t image, PatchGrid grid, int32_t first_position, const Tokenizer& tokenizer) {
  std::map<int32_t, std::vector<const ImageMark*>> marks;
  uint64_t seed = sample.target.size();
  for (const char c : sample.target) seed = seed * 31 + static_cast<unsigned char>(c);
  for (const ImageMark& mark : sample.marks) {
    if (mark.image != image || !(mark.x >= 0 && mark.x < 1 && mark.y >= 0 && mark.y < 1)) continue;
    const auto column = static_cast<int32_t>(mark.x * static_cast<float>(grid.columns)), row = static_cast<int32_t>(mark.y * static_cast<float>(grid.rows));
    marks[row * grid.columns + column].push_back(&mark);
  }
  std::vector<ShardTarget> seen;
  Rng rng(seed);
  for (const auto& [patch, here] : marks) {
    std::vector<TokenId> tokens;
    if (!tokenizer.encode(here[rng.below(here.size())]->text, {}, &tokens).ok() || tokens.empty()) continue;
    seen.push_back({first_position + patch, tokens[rng.below(tokens.size())]});
  }
  return seen;
}

}  // namespace

Result<std::unique_ptr<const SampleEncoder>> SampleEncoder::open(const std::string& tokenizer_path) {
  auto encoder = std::unique_ptr<SampleEncoder>(new SampleEncoder());
  FS_TRY(encoder->file_, Checkpoint::open(tokenizer_path));
  const Metadata& metadata = encoder->file_->metadata();
  FS_TRY(encoder->tokenizer_, Tokenizer::from_metadata(metadata));
  encoder->tokenizer_->prepare();
  FS_TRY(const std::optional<std::string_view> source, metadata.get_string("tokenizer.chat_template"));
  if (!source) return Error{ErrorCode::kDataLoss, tokenizer_path + ": no tokenizer.chat_template"};
  FS_TRY(encoder->chat_template_, ChatTemplate::compile(*source));
  FS_TRY(encoder->numbers_, NumberBinding::from_metadata(metadata, *encoder->tokenizer_));
  if (!encoder->tokenizer_->eos()) return Error{ErrorCode::kDataLoss, tokenizer_path + ": no token that ends a turn"};
  encoder->calculator_ = Json::Array{Json::Object{{"type", "function"}, {"function", Json::Object{{"name", "calculator"}}}}};
  return std::unique_ptr<const SampleEncoder>(std::move(encoder));
}

Result<EncodedSample> SampleEncoder::encode(const Sample& sample, bool bind_numbers, const PatchParams* patches) const {
  EncodedSample out;
  out.kind = sample.kind;
  Json::Array messages;
  std::vector<PatchGrid> grids;
  std::vector<int32_t> n_patches;
  std::vector<size_t> images;
  for (const SampleMessage& message : sample.messages) {
    Json content = message.text;
    if (!message.images.empty()) {
      if (patches == nullptr) return Error{ErrorCode::kUnsupported, "a picture, and the network has no vision"};
      Json::Array parts;
      for (const size_t index : message.images) {
        if (index >= sample.images.size()) return Error{ErrorCode::kInvalidArgument, "a message names picture " + std::to_string(index) + ", which is not there"};
        const RgbImage& image = sample.images[index];
        if (image.width < 1 || image.height < 1) return Error{ErrorCode::kInvalidArgument, "an empty picture"};
        images.push_back(index);
        grids.push_back(plan_patches(image.width, image.height, *patches));
        n_patches.push_back(grids.back().n());
        parts.push_back(Json::Object{{"type", "image"}});
      }
      parts.push_back(Json::Object{{"type", "text"}, {"text", message.text}});
      content = std::move(parts);
    }
    messages.push_back(Json::Object{{"role", message.role}, {"content", std::move(content)}});
  }
  const ChatEncoder encoder{tokenizer_.get(), chat_template_.get(), numbers_.get()};
  const Json message_list = std::move(messages), nothing, variables = Json::Object{{"enable_thinking", sample.thinking}};
  FS_TRY(const EncodedChat chat, encoder.encode({.messages = message_list,
                                                 .tools = sample.tools ? calculator_ : nothing,
                                                 .template_variables = variables,
                                                 .n_patches = n_patches,
                                                 .bind_numbers = bind_numbers}));
  FS_TRY(const std::vector<TokenId> target, encoder.encode_target(sample.target, chat, bind_numbers));
  out.ids.assign(chat.ids.begin(), chat.ids.end());
  out.n_prompt = static_cast<int32_t>(out.ids.size());
  out.ids.insert(out.ids.end(), target.begin(), target.end());
  out.ids.push_back(*tokenizer_->eos());
  for (const PictureRows& rows : chat.pictures) {
    const PatchGrid grid = grids[rows.index];
    for (int32_t p = 0; p < grid.n(); ++p) {
      out.patches.push_back({static_cast<int32_t>(rows.begin) + p, p / grid.columns, p % grid.columns});
    }
    const size_t first = out.patch_values.size();
    out.patch_values.resize(first + static_cast<size_t>(grid.n() * patches->patch_dim()));
    make_patches(sample.images[images[rows.index]], grid, *patches, std::span(out.patch_values).subspan(first));
    const std::vector<ShardTarget> seen = seen_in_patches(sample, images[rows.index], grid, static_cast<int32_t>(rows.begin), *tokenizer_);
    out.seen.insert(out.seen.end(), seen.begin(), seen.end());
  }
  return out;
}

void append_sample(const EncodedSample& sample, int32_t kind, float mark_weight, Shard* shard) {
  ShardSegment segment;
  segment.start = static_cast<int32_t>(shard->tokens.size());
  segment.first_mark = static_cast<int32_t>(shard->marks.size());
  for (const ShardTarget& mark : sample.seen) {
    if (mark_weight > 0 && mark.position < static_cast<int32_t>(sample.ids.size()) - 1) shard->marks.push_back({segment.start + mark.position, mark.next, mark_weight});
  }
  segment.n_marks = static_cast<int32_t>(shard->marks.size()) - segment.first_mark;
  segment.first_target = static_cast<int32_t>(shard->targets.size());
  segment.kind = kind;
  segment.adapter_from = sample.adapter_from;
  // The last token, which ends the turn, is only ever a target.
  segment.n_tokens = static_cast<int32_t>(sample.ids.size()) - 1;
  shard->tokens.insert(shard->tokens.end(), sample.ids.begin(), sample.ids.end() - 1);
  for (auto i = sample.n_prompt; i <= segment.n_tokens; ++i) {
    shard->targets.push_back({segment.start + i - 1, sample.ids[static_cast<size_t>(i)]});
  }
  segment.n_targets = static_cast<int32_t>(shard->targets.size()) - segment.first_target;
  for (ShardPatch patch : sample.patches) {
    patch.position += segment.start;
    shard->patches.push_back(patch);
  }
  shard->patch_values.insert(shard->patch_values.end(), sample.patch_values.begin(), sample.patch_values.end());
  shard->segments.push_back(segment);
}

}  // namespace firesteel
