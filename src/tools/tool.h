// A function that a model may call in its answer.
//
// Two kinds, and the kind decides what is possible: a tool computes or reads (AgentTool), or it acts on the world outside (ActingTool).
// An acting tool runs only with an ActPermit, which nobody but the TaintGate of a run can make (taint_gate.h): after text of strangers has
// come into a conversation, the gate gives none without a person's word or a plan that was fixed before.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "base/rgb_image.h"

namespace firesteel {

// Whose words a tool's result holds.
enum class ToolTaint : uint8_t {
  kClean,    // worked out of the arguments alone: arithmetic, dates, code in the sandbox
  kTainted,  // what somebody else wrote: documents, other servers
};

// The call's surroundings. Borrowed for the call.
struct ToolContext {
  std::string_view owner = {};                                  // the tenant whose documents may be read; empty: the operator, on the command line
  std::span<const std::shared_ptr<const RgbImage>> images = {};  // of the request, in its order
  std::function<bool()> cancelled = {};                         // whether the run has been cancelled; empty: it cannot be
  int lane = -1;                                                // of a run of agents, by its number in the ledger
  std::string_view lane_key = {};                               // the same by its name there
};

struct ToolResult {
  std::string text = {};                                            // what the model reads
  std::vector<std::shared_ptr<const RgbImage>> images = {};         // that it sees beside the text
  ToolResult() = default;
  ToolResult(std::string words) : text(std::move(words)) {}         // NOLINT: implicit on purpose, most results are a text
  ToolResult(const char* words) : text(words) {}                    // NOLINT
};

class ActPermit;

// Stateless or thread-safe.
class AgentTool {
 public:
  virtual ~AgentTool() = default;
  virtual const std::string& name() const = 0;
  virtual const std::string& description() const = 0;
  virtual Json parameters() const = 0;  // a JSON Schema of the arguments
  virtual ToolTaint taint() const { return ToolTaint::kClean; }
  // What a key must be allowed beside inference, as schema/identity.h names scopes: "", "files", "files,audit.read".
  virtual std::string_view scope() const { return {}; }
  // An error's message is for the model, too. `arguments` came from a model: any JSON object.
  virtual Result<ToolResult> run(const Json& arguments, const ToolContext& context) const = 0;
  // Itself, when it acts on the world.
  virtual const class ActingTool* acting() const { return nullptr; }
};

// A tool with effects outside of the answer.
class ActingTool : public AgentTool {
 public:
  const ActingTool* acting() const final { return this; }
  Result<ToolResult> run(const Json&, const ToolContext&) const final {
    return Error{ErrorCode::kFailedPrecondition, name() + " acts on the world: it runs with a permit only"};
  }
  virtual Result<ToolResult> act(const Json& arguments, const ToolContext& context, const ActPermit& permit) const = 0;
  // Every call wants a person's word, whatever was read before; nobody can give it in advance.
  virtual bool asks_always() const { return false; }
};

using AgentTools = std::vector<std::shared_ptr<const AgentTool>>;

// As chat templates take them: [{"type": "function", "function": {"name", "description", "parameters"}}], null without tools.
Json tools_json(const AgentTools& tools);

}  // namespace firesteel
