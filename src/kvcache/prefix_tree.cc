#include "kvcache/prefix_tree.h"

#include <algorithm>
#include <iterator>
#include <vector>

#include "base/check.h"

namespace firesteel {
namespace {

bool less_tokens(std::span<const TokenId> a, std::span<const TokenId> b) {
  return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end());
}

int64_t common_prefix(std::span<const TokenId> a, std::span<const TokenId> b) {
  const size_t n = std::min(a.size(), b.size());
  return std::mismatch(a.begin(), a.begin() + static_cast<ptrdiff_t>(n), b.begin()).first - a.begin();
}

// Cost of computing a block again, in units of a block at the start: attention grows with depth. At about 4,096 tokens it has
// doubled, as in the small models of the reference machine; only ratios matter.
double recompute_cost(int64_t depth) { return 1.0 + static_cast<double>(depth) / 64.0; }

}  // namespace

bool PrefixTree::ByTokens::operator()(const std::unique_ptr<Node>& a, const std::unique_ptr<Node>& b) const {
  return less_tokens(a->span(), b->span());
}
bool PrefixTree::ByTokens::operator()(const std::unique_ptr<Node>& a, std::span<const TokenId> b) const {
  return less_tokens(a->span(), b);
}
bool PrefixTree::ByTokens::operator()(std::span<const TokenId> a, const std::unique_ptr<Node>& b) const {
  return less_tokens(a, b->span());
}

PrefixTree::~PrefixTree() { clear(); }

std::pair<PrefixTree::Node*, int64_t> PrefixTree::best_child(const Node& parent, std::span<const TokenId> tokens) {
  const auto after = parent.children.lower_bound(tokens);
  Node* best = nullptr;
  int64_t best_length = 0;
  const auto consider = [&](Node* node) {
    const int64_t length = common_prefix(node->span(), tokens);
    if (length > best_length) {
      best = node;
      best_length = length;
    }
  };
  if (after != parent.children.end()) consider(after->get());
  if (after != parent.children.begin()) consider(std::prev(after)->get());
  return {best, best_length};
}

// Calls visit(node, n_tokens_of_it) down the longest cached prefix; returns the length.
template <typename Visit>
int64_t PrefixTree::walk(const Node& root, std::span<const TokenId> tokens, Visit&& visit) {
  const Node* at = &root;
  int64_t length = 0;
  while (!tokens.empty()) {
    const auto block = tokens.first(std::min<size_t>(tokens.size(), kKvBlockTokens));
    const auto [child, n] = best_child(*at, block);
    if (child == nullptr || n < kMinPartialTokens) break;
    visit(child, n);
    length += n;
    if (n < kKvBlockTokens) break;
    at = child;
    tokens = tokens.subspan(static_cast<size_t>(n));
  }
  return length;
}

const PrefixTree::Node* PrefixTree::root_for(const PrefixKey& key, std::span<const TokenId> tokens, int64_t* length) const {
  const Node* best = nullptr;
  *length = 0;
  for (const CacheNamespace& where : {key.cache_namespace, kPublishedNamespace}) {
    const auto root = roots_.find({where, key.model_digest});
    if (root == roots_.end()) continue;
    const int64_t n = walk(*root->second, tokens, [](Node*, int64_t) {});
    if (n <= *length) continue;
    best = root->second.get();
    *length = n;
  }
  return best;
}

BlockTable PrefixTree::match(const PrefixKey& key, std::span<const TokenId> tokens) {
  BlockTable table;
  int64_t length = 0;
  const Node* const root = root_for(key, tokens, &length);
  if (root == nullptr) return table;
  walk(*root, tokens, [&](Node* node, int64_t n) {
    table.append_shared(*pool_, node->block, n);
    touch(node);
  });
  return table;
}

int64_t PrefixTree::match_length(const PrefixKey& key, std::span<const TokenId> tokens) const {
  int64_t length = 0;
  root_for(key, tokens, &length);
  return length;
}

void PrefixTree::touch(Node* node) {
  const bool is_leaf = node->children.empty();
  if (is_leaf) leaves_.erase(node);
  node->worth = inflation_ + recompute_cost(node->depth);
  node->serial = next_serial_++;
  if (is_leaf) leaves_.insert(node);
}

void PrefixTree::set_tokens(Node* node, std::span<const TokenId> tokens, KvBlockId block) {
  pool_->retain(block);
  node->block = block;
  node->n_tokens = static_cast<int32_t>(tokens.size());
  std::copy(tokens.begin(), tokens.end(), node->tokens.begin());
}

void PrefixTree::insert(const PrefixKey& key, std::span<const TokenId> tokens, const BlockTable& table) {
  CHECK(static_cast<int64_t>(tokens.size()) <= table.n_tokens());
  if (tokens.empty()) return;
  auto& root = roots_[key];
  if (root == nullptr) {
    root = std::make_unique<Node>();
    root->depth = -1;
  }
  Node* at = root.get();
  for (size_t i = 0; !tokens.empty(); ++i) {
    const auto part = tokens.first(std::min<size_t>(tokens.size(), kKvBlockTokens));
    tokens = tokens.subspan(part.size());
    const auto n_part = static_cast<int64_t>(part.size());
    if (n_part < kMinPartialTokens) break;  // match() would never use it
    auto [child, n] = best_child(*at, part);
    if (child != nullptr && n == n_part) {  // there already, perhaps as the beginning of a longer block
      touch(child);
    } else if (child != nullptr && n == child->n_tokens) {  // a shorter version is there: ours replaces it
      leaves_.erase(child);
      auto handle = at->children.extract(at->children.find(child->span()));
      pool_->release(child->block);
      set_tokens(child, part, table.blocks()[i]);
      at->children.insert(std::move(handle));
      leaves_.insert(child);
      touch(child);
    } else {
      auto node = std::make_unique<Node>();
      node->parent = at;
      node->depth = at->depth + 1;
      set_tokens(node.get(), part, table.blocks()[i]);
      if (at->parent != nullptr && at->children.empty()) leaves_.erase(at);  // the root is never a leaf
      child = node.get();
      at->children.insert(std::move(node));
      leaves_.insert(child);
      touch(child);
      ++n_blocks_;
    }
    if (child->n_tokens < kKvBlockTokens || n_part < kKvBlockTokens) break;
    at = child;
  }
}

void PrefixTree::remove_leaf(Node* node) {
  CHECK(node->children.empty() && node->parent != nullptr);
  Node* parent = node->parent;
  leaves_.erase(node);
  pool_->release(node->block);
  --n_blocks_;
  parent->children.erase(parent->children.find(node->span()));
  if (parent->children.empty() && parent->parent != nullptr) leaves_.insert(parent);
}

int64_t PrefixTree::evict(int64_t n) {
  int64_t n_freed = 0;
  auto it = leaves_.begin();
  while (n_freed < n && it != leaves_.end()) {
    Node* node = *it;
    // A block that a running sequence holds as well would free nothing.
    if (node->n_pins > 0 || pool_->ref_count(node->block) > 1) {
      ++it;
      continue;
    }
    inflation_ = std::max(inflation_, node->worth);
    Node* root = node->parent;
    while (root->parent != nullptr) root = root->parent;
    remove_leaf(node);
    ++n_freed;
    ++n_evicted_;
    // The parent may have become the cheapest leaf; its place in the order is anywhere.
    it = leaves_.begin();
    if (root->children.empty()) std::erase_if(roots_, [root](const auto& entry) { return entry.second.get() == root; });
  }
  return n_freed;
}

uint64_t PrefixTree::pin(const PrefixKey& key, std::span<const TokenId> tokens) {
  const auto root = roots_.find(key);
  Node* last = nullptr;
  if (root != roots_.end()) walk(*root->second, tokens, [&](Node* node, int64_t) { last = node; });
  if (last == nullptr) return 0;
  ++last->n_pins;  // its ancestors have children and stay with it
  pins_.emplace(next_pin_, last);
  return next_pin_++;
}

void PrefixTree::unpin(uint64_t id) {
  const auto pin = pins_.find(id);
  if (pin == pins_.end()) return;  // its namespace was cleared
  --pin->second->n_pins;
  pins_.erase(pin);
}

void PrefixTree::remove_subtree(Node* node) {
  // Depth is bounded by the longest sequence, so no recursion: always take the last leaf below.
  for (;;) {
    Node* leaf = node;
    while (!leaf->children.empty()) leaf = leaf->children.begin()->get();
    if (leaf == node) return;
    if (leaf->n_pins > 0) std::erase_if(pins_, [leaf](const auto& entry) { return entry.second == leaf; });
    remove_leaf(leaf);
  }
}

void PrefixTree::clear(CacheNamespace cache_namespace) {
  for (auto it = roots_.begin(); it != roots_.end();) {
    if (it->first.cache_namespace == cache_namespace) {
      remove_subtree(it->second.get());
      it = roots_.erase(it);
    } else {
      ++it;
    }
  }
}

void PrefixTree::clear() {
  for (auto& [key, root] : roots_) remove_subtree(root.get());
  roots_.clear();
}

}  // namespace firesteel
