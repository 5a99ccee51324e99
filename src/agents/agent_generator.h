// A generator that also answers requests with `agents` set (several lanes of the generator behind it, one stream in front) and requests
// with `tools` set (it runs what the model calls; the stream has the text only). Everything else passes through. What server and command line put in front of their engine.
//
// The stream of such a request has kToken events without token ids (one agent: as the text comes; several: the joined answer as a whole),
// kAgent events where the request wants them, and one kDone with the summed usage and the ledger as its report. Its cancel, or dropping it,
// ends all lanes within one step of the engine (and after the tool that a lane may be in).
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "agents/agent_run.h"
#include "tools/tool.h"
#include "api/generator.h"
#include "base/clock.h"

namespace firesteel {

class RunState;

class AgentGenerator final : public Generator {
 public:
  struct Options {
    AgentTools tools = {};          // that models use by themselves (ToolInfo::automatic): also of lanes of requests that name none
    AgentTools more_tools = {};     // only for requests that name them
    AgentLimits limits = {};        // budget and deadline are each request's
    const Clock* clock = nullptr;   // the inner generator's; nullptr: system_clock()
    int64_t confirm_ms = 120'000;   // how long a person has to answer about a call
    int n_runs_max = 32;            // of agents at a time; more are refused (kResourceExhausted)
    int n_tool_runs_max = 1024;     // of one agent with tools: a thread each, which mostly waits
  };
  AgentGenerator(Generator* inner, Options options);
  ~AgentGenerator() override;  // cancels open runs and waits for them

  // kInvalidArgument also: agents or tools with logprobs, agents with tools of the request's own, tools that are not here.
  Result<std::unique_ptr<TokenStream>> submit(GenerateRequest request) override;

  Result<std::shared_ptr<Context>> prefill(GenerateRequest request) override;
  Result<std::vector<std::unique_ptr<TokenStream>>> fork(const std::shared_ptr<Context>& context, std::vector<BranchRequest> branches) override;
  Result<std::shared_ptr<Context>> context_of(const TokenStream& stream, int64_t n_generated = -1) override;
  Result<int64_t> count_tokens(const Prompt& prompt, std::span<const ImagePtr> images = {}) override;
  Result<std::vector<TokenId>> tokenize(const Prompt& prompt, std::span<const ImagePtr> images = {}) override;
  Result<std::string> detokenize(std::span<const TokenId> ids) override;
  std::string token_text(TokenId id) const override;
  ModelInfo info() const override;
  GeneratorStats stats() const override;
  Result<std::vector<float>> embed(const Prompt& prompt) override;
  Result<AdapterInfo> load_adapter(const std::string& path) override { return inner_->load_adapter(path); }
  Status unload_adapter(const std::string& digest) override { return inner_->unload_adapter(digest); }
  std::vector<AdapterInfo> adapters() const override { return inner_->adapters(); }

 private:
  struct Runs;
  Result<AgentTools> tools_of(const ToolUse& use) const;
  Result<std::unique_ptr<TokenStream>> submit_with_tools(GenerateRequest request);
  Result<std::unique_ptr<TokenStream>> start(const std::shared_ptr<RunState>& state, bool is_tool_run, std::function<void()> work);
  Generator* inner_;
  Options options_;
  std::shared_ptr<Runs> runs_;
};

}  // namespace firesteel
