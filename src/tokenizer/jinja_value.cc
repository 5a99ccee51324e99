#include "tokenizer/jinja_value.h"

namespace firesteel::jinja {
namespace {

// Drops the references that an object holds.
void clear_children(Object* object) {
  switch (object->kind) {
    case Kind::kList:
    case Kind::kTuple: static_cast<ListObject*>(object)->items.clear(); break;
    case Kind::kDict:
    case Kind::kNamespace: static_cast<DictObject*>(object)->items.clear(); break;
    case Kind::kLoop:
      static_cast<LoopObject*>(object)->items = Value();
      static_cast<LoopObject*>(object)->last_changed = Value();
      break;
    case Kind::kMethod: static_cast<MethodObject*>(object)->self = Value(); break;
    case Kind::kCycler:
    case Kind::kJoiner: static_cast<CyclerObject*>(object)->items.clear(); break;
    default: break;
  }
}

void destroy(Object* object) {
  switch (object->kind) {
    case Kind::kString: delete static_cast<StringObject*>(object); break;
    case Kind::kList:
    case Kind::kTuple: delete static_cast<ListObject*>(object); break;
    case Kind::kDict:
    case Kind::kNamespace: delete static_cast<DictObject*>(object); break;
    case Kind::kRange: delete static_cast<RangeObject*>(object); break;
    case Kind::kLoop: delete static_cast<LoopObject*>(object); break;
    case Kind::kMacro: delete static_cast<MacroObject*>(object); break;
    case Kind::kMethod: delete static_cast<MethodObject*>(object); break;
    case Kind::kCycler:
    case Kind::kJoiner: delete static_cast<CyclerObject*>(object); break;
    default: break;
  }
}

}  // namespace

Value* DictObject::find(std::string_view key) {
  for (auto& [name, value] : items) {
    if (name.is_string() && name.bytes() == key) return &value;
  }
  return nullptr;
}

Heap::~Heap() {
  // What is left is kept by cycles. First all references go, while every object still exists; then the objects.
  ending_ = true;
  for (Object* object = objects_; object != nullptr; object = object->next) clear_children(object);
  while (objects_ != nullptr) {
    Object* object = objects_;
    objects_ = object->next;
    destroy(object);
  }
}

void Heap::adopt(Object* object, size_t bytes) {
  object->heap = this;
  object->next = objects_;
  if (objects_ != nullptr) objects_->previous = object;
  objects_ = object;
  object->charged_bytes = bytes;
  bytes_live_ += bytes;
}

void Heap::recharge(Object* object, size_t bytes) {
  bytes_live_ = bytes_live_ - object->charged_bytes + bytes;
  object->charged_bytes = bytes;
}

void Heap::release(Object* object) {
  if (ending_) return;
  if (object->previous != nullptr) object->previous->next = object->next;
  if (object->next != nullptr) object->next->previous = object->previous;
  if (objects_ == object) objects_ = object->next;
  bytes_live_ -= object->charged_bytes;
  object->next = dying_;
  dying_ = object;
  if (draining_) return;  // a list of a list of a list ...: the loop below frees them one after another
  draining_ = true;
  while (dying_ != nullptr) {
    Object* dead = dying_;
    dying_ = dead->next;
    clear_children(dead);
    destroy(dead);
  }
  draining_ = false;
}

Value Heap::string(Text text) {
  auto* object = make<StringObject>();
  object->text = std::move(text);
  object->view = object->text.view();
  recharge(object, sizeof(StringObject) + object->text.capacity_bytes());
  return Value(object);
}

Value Heap::string(std::string_view bytes, bool user) {
  Text text;
  text.append(bytes, user);
  return string(std::move(text));
}

Value Heap::borrowed_string(std::string_view bytes, bool user) {
  auto* object = make<StringObject>();
  object->view = TextView(bytes, user);
  return Value(object);
}

Value Heap::list(std::vector<Value> items, Kind kind) {
  auto* object = make<ListObject>(kind);
  object->items = std::move(items);
  recharge(object, sizeof(ListObject) + object->items.capacity() * sizeof(Value));
  return Value(object);
}

void Heap::append(ListObject* list, Value value) {
  list->items.push_back(std::move(value));
  recharge(list, sizeof(ListObject) + list->items.capacity() * sizeof(Value));
}

void Heap::append(DictObject* dict, Value key, Value value) {
  dict->items.emplace_back(std::move(key), std::move(value));
  recharge(dict, sizeof(DictObject) + dict->items.capacity() * sizeof(dict->items[0]));
}

}  // namespace firesteel::jinja
