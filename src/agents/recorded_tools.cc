#include "agents/recorded_tools.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agents/tool_loop.h"
#include "base/mutex.h"

namespace firesteel {
namespace {

constexpr size_t kDeclarationsMax = 256;
constexpr std::string_view kCutMark = " [cut]", kErrorMark = "error: ";

std::string text_of(const Json& object, const char* name) {
  const Json* found = object.find(name);
  return found != nullptr && found->is_string() ? found->as_string() : std::string();
}

// All calls of a ledger; each is given once.
class Recording {
 public:
  explicit Recording(const Json& ledger) {
    const Json* lanes = ledger.find("lanes");
    if (lanes == nullptr || !lanes->is_array()) return;
    for (const Json& lane : lanes->as_array()) {
      const Json* calls = lane.find("tools");
      if (calls == nullptr || !calls->is_array()) continue;
      for (const Json& call : calls->as_array()) {
        Result<Json> arguments = Json::parse(text_of(call, "arguments"), {.depth = 64, .values = 1u << 18});
        if (!arguments.ok()) continue;  // it never reached its tool
        calls_.push_back({.lane = text_of(lane, "key"), .name = text_of(call, "name"), .arguments = std::move(arguments).value(), .result = text_of(call, "result"), .failed = call.find("failed") != nullptr});
      }
    }
  }

  Result<ToolResult> take(const std::string& name, const Json& arguments, std::string_view lane) FS_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    const auto found = std::find_if(calls_.begin(), calls_.end(), [&](const Call& one) { return !one.taken && one.lane == lane && one.name == name && one.arguments == arguments; });
    if (found == calls_.end()) return Error{ErrorCode::kNotFound, "the ledger has no such call"};
    found->taken = true;
    std::string text = found->result;
    if (found->failed) return Error{ErrorCode::kInvalidArgument, text.starts_with(kErrorMark) ? text.substr(kErrorMark.size()) : text};
    // What was cut then is cut again, at the same place: a character of four bytes never fits into what a cut one left.
    const size_t bytes_max = ToolLoopLimits().result_bytes_max;
    if (text.ends_with(kCutMark) && text.size() > bytes_max) {
      text.resize(text.size() - kCutMark.size());
      while (text.size() <= bytes_max) text += "\xF0\x90\x80\x80";
    }
    return ToolResult(std::move(text));
  }

 private:
  struct Call {
    std::string lane, name;
    Json arguments;
    std::string result;
    bool failed = false, taken = false;
  };
  Mutex mutex_;
  std::vector<Call> calls_ FS_GUARDED_BY(mutex_);
};

class RecordedTool final : public AgentTool {
 public:
  RecordedTool(const Json& function, std::shared_ptr<Recording> recording)
      : name_(text_of(function, "name")), description_(text_of(function, "description")), recording_(std::move(recording)) {
    if (const Json* parameters = function.find("parameters"); parameters != nullptr) parameters_ = *parameters;
  }
  const std::string& name() const override { return name_; }
  const std::string& description() const override { return description_; }
  Json parameters() const override { return parameters_; }
  Result<ToolResult> run(const Json& arguments, const ToolContext& context) const override { return recording_->take(name_, arguments, context.lane_key); }

 private:
  const std::string name_, description_;
  Json parameters_;
  const std::shared_ptr<Recording> recording_;
};

}  // namespace

Result<AgentTools> replay_tools_of(const Json& ledger, const AgentTools& live) {
  const Json* request = ledger.find("request");
  const Json* declarations = request == nullptr ? nullptr : request->find("declarations");
  if (declarations == nullptr) return live;
  if (!declarations->is_array() || declarations->as_array().size() > kDeclarationsMax) return Error{ErrorCode::kDataLoss, "ledger: request.declarations is of another type, or too long"};
  const auto recording = std::make_shared<Recording>(ledger);
  AgentTools out;
  for (const Json& declaration : declarations->as_array()) {
    const Json* function = declaration.find("function");
    if (function == nullptr || text_of(*function, "name").empty()) return Error{ErrorCode::kDataLoss, "ledger: a declared tool has no name"};
    const auto found = std::find_if(live.begin(), live.end(), [&](const auto& tool) {
      return tool->acting() == nullptr && tool->taint() == ToolTaint::kClean && tools_json({tool}).as_array().front() == declaration;
    });
    if (found != live.end()) out.push_back(*found);
    else out.push_back(std::make_shared<RecordedTool>(*function, recording));
  }
  return out;
}

}  // namespace firesteel
