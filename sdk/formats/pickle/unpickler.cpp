#include "formats/pickle/unpickler.hpp"

#include <cstdio>
#include <cstring>
#include <hn/cpp/error.hpp>
#include <utility>
#include <vector>

#include "formats/pickle/torch_globals.hpp"

namespace hn::pickle {
namespace {

// The largest published checkpoints hold some ten thousand tensors of about twenty values each. A
// value takes 64 bytes, and one byte of a pickle can make it.
constexpr std::size_t kMaxValues = std::size_t{1} << 21;
// References in containers, counted for each container: a call can copy one that is large.
constexpr std::size_t kMaxItems = std::size_t{1} << 22;
constexpr std::size_t kMaxMarks = std::size_t{1} << 12;

std::string shortened(std::string_view text) {
  return std::string(text.substr(0, 200)) + (text.size() > 200 ? "..." : "");
}

class Machine {
 public:
  Machine(std::span<const std::byte> bytes, const std::string& where)
      : bytes_(bytes), where_(where) {}

  Document run() {
    while (!step(take_number<std::uint8_t>("an opcode"))) {
    }
    document_.bytes_read = at_;
    return std::move(document_);
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const {
    throw Error(HN_DATA_LOSS,
                where_ + ": pickle, byte " + std::to_string(opcode_at_) + ": " + what);
  }

  std::string_view take(std::uint64_t size, const char* what) {
    if (size > bytes_.size() - at_)
      refuse(std::string("expected ") + what + " of " + std::to_string(size) + " bytes, got only " +
             std::to_string(bytes_.size() - at_) + " (truncated?)");
    const std::string_view text(reinterpret_cast<const char*>(bytes_.data()) + at_, size);
    at_ += size;
    return text;
  }
  template <typename T>
  T take_number(const char* what) {
    T value{};
    std::memcpy(&value, take(sizeof value, what).data(), sizeof value);
    return value;
  }
  std::string_view take_line() {
    const std::string_view rest(reinterpret_cast<const char*>(bytes_.data()) + at_,
                                bytes_.size() - at_);
    const std::size_t end = rest.find('\n');
    if (end == std::string_view::npos) refuse("expected a line with a name, got no end of it");
    at_ += end + 1;
    return rest.substr(0, end);
  }

  Ref add(Value value) {
    if (document_.values.size() >= kMaxValues)
      refuse("expected at most " + std::to_string(kMaxValues) + " values, got more");
    count_items(value.items.size());
    document_.values.push_back(std::move(value));
    return static_cast<Ref>(document_.values.size() - 1);
  }
  void count_items(std::size_t more) {
    items_ += more;
    if (items_ > kMaxItems)
      refuse("expected at most " + std::to_string(kMaxItems) + " items in containers, got more");
  }
  void push(Value value) { push_ref(add(std::move(value))); }
  void push_ref(Ref ref) {
    // Each entry came from one byte at least, but DUP and GET add no values.
    if (stack_.size() >= kMaxValues) refuse("expected a stack of bounded height, got more");
    stack_.push_back(ref);
  }
  void push_text(Kind kind, std::string_view text) {
    Value value;
    value.kind = kind;
    value.text = text;
    push(std::move(value));
  }
  void push_int(std::int64_t integer, Kind kind = Kind::kInt) {
    Value value;
    value.kind = kind;
    value.integer = integer;
    push(std::move(value));
  }
  void push_items(Kind kind, std::vector<Ref> items) {
    Value value;
    value.kind = kind;
    value.items = std::move(items);
    push(std::move(value));
  }
  // Nothing below the last mark can be taken.
  std::size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
  Ref pop() {
    if (stack_.size() <= floor()) refuse("expected a value on the stack, got none");
    const Ref ref = stack_.back();
    stack_.pop_back();
    return ref;
  }
  Ref top() {
    if (stack_.size() <= floor()) refuse("expected a value on the stack, got none");
    return stack_.back();
  }
  std::vector<Ref> pop_to_mark() {
    if (marks_.empty()) refuse("expected a mark on the stack, got none");
    const auto begin = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<Ref> items(begin, stack_.end());
    stack_.erase(begin, stack_.end());
    marks_.pop_back();
    return items;
  }
  std::vector<Ref> pop_some(std::size_t count) {
    std::vector<Ref> items(count);
    for (std::size_t i = count; i-- > 0;) items[i] = pop();
    return items;
  }
  Value& top_of_kind(Kind kind) {
    Value& value = document_.values[top()];
    if (value.kind != kind)
      refuse("expected " + std::string(kind_name(kind)) + ", got " +
             std::string(kind_name(value.kind)));
    return value;
  }
  void append(Kind kind, const std::vector<Ref>& items) {
    Value& target = top_of_kind(kind);
    if (kind == Kind::kDict && items.size() % 2 != 0)
      refuse("expected keys and values in pairs, got " + std::to_string(items.size()) + " items");
    count_items(items.size());
    target.items.insert(target.items.end(), items.begin(), items.end());
  }

  void memo_put(std::uint64_t index) {
    if (index >= kMaxValues)
      refuse("expected a memo index below " + std::to_string(kMaxValues) + ", got " +
             std::to_string(index));
    if (index >= memo_.size()) memo_.resize(index + 1, kNoRef);
    memo_entries_ += memo_[index] == kNoRef ? 1 : 0;
    memo_[index] = top();
  }
  void memo_get(std::uint64_t index) {
    if (index >= memo_.size() || memo_[index] == kNoRef)
      refuse("expected a memo entry " + std::to_string(index) + ", got none written");
    push_ref(memo_[index]);
  }

  void push_global(std::string_view module, std::string_view name) {
    std::string full(module);
    full.append(".").append(name);
    if (!is_known_global(full))
      throw Error(HN_UNSUPPORTED,
                  where_ + ": expected tensors and plain containers, got the Python global \"" +
                      shortened(full) + "\" (refused; nothing in the file was executed)");
    document_.strings.push_back(std::move(full));
    push_text(Kind::kGlobal, document_.strings.back());
  }

  void push_long(std::string_view digits) {
    if (digits.size() > 8) return push_text(Kind::kBigInt, digits);
    std::uint64_t value = 0;
    if (!digits.empty()) {
      std::memcpy(&value, digits.data(), digits.size());
      const auto unused = static_cast<unsigned>(64 - 8 * digits.size());
      value = static_cast<std::uint64_t>(static_cast<std::int64_t>(value << unused) >> unused);
    }
    push_int(static_cast<std::int64_t>(value));
  }

  void reduce() {
    const Ref arguments = pop(), callable = pop();
    push(call_global(document_, callable, arguments, where_));
  }

  // State that a known class sets on itself: an OrderedDict's _metadata, a Namespace's fields.
  // Neither changes a tensor.
  void build() {
    pop();
    const Kind kind = document_.at(top()).kind;
    if (kind != Kind::kDict && kind != Kind::kOpaque)
      refuse("expected state for a dictionary or a Namespace, got it for " +
             std::string(kind_name(kind)));
  }

  bool step(std::uint8_t opcode);

  std::span<const std::byte> bytes_;
  const std::string& where_;
  std::size_t at_ = 0, opcode_at_ = 0;
  Document document_;
  std::vector<Ref> stack_;
  std::vector<std::size_t> marks_;
  static constexpr Ref kNoRef = ~Ref{0};
  std::vector<Ref> memo_;
  std::size_t memo_entries_ = 0, items_ = 0;
};

// One opcode; true at STOP.
bool Machine::step(std::uint8_t opcode) {
  opcode_at_ = at_ - 1;
  switch (opcode) {
    case 0x80: {  // PROTO
      const auto protocol = take_number<std::uint8_t>("a protocol");
      if (protocol > 5)
        throw Error(HN_UNSUPPORTED, where_ + ": expected a pickle of protocol 5 at most, got " +
                                        std::to_string(protocol));
      return false;
    }
    case 0x95: {  // FRAME: how much may be read at once
      const auto size = take_number<std::uint64_t>("a frame's length");
      if (size > bytes_.size() - at_)
        refuse("expected a frame of " + std::to_string(size) + " bytes, got only " +
               std::to_string(bytes_.size() - at_) + " (truncated?)");
      return false;
    }
    case '.': document_.root = pop(); return true;
    case '(':
      if (marks_.size() >= kMaxMarks)
        refuse("expected at most " + std::to_string(kMaxMarks) + " open marks, got more");
      marks_.push_back(stack_.size());
      return false;
    case '0': pop(); return false;
    case '1': pop_to_mark(); return false;
    case '2': push_ref(top()); return false;
    case 'N': push({}); return false;
    case 0x88: push_int(1, Kind::kBool); return false;
    case 0x89: push_int(0, Kind::kBool); return false;
    case 'J': push_int(take_number<std::int32_t>("an integer")); return false;
    case 'K': push_int(take_number<std::uint8_t>("an integer")); return false;
    case 'M': push_int(take_number<std::uint16_t>("an integer")); return false;
    case 0x8a: push_long(take(take_number<std::uint8_t>("a length"), "an integer")); return false;
    case 0x8b: push_long(take(take_number<std::uint32_t>("a length"), "an integer")); return false;
    case 'G':  // no tensor is made of one
      take(sizeof(double), "a number");
      push_int(0, Kind::kFloat);
      return false;
    case 'X':
    case 'T':
      push_text(Kind::kText, take(take_number<std::uint32_t>("a length"), "a text"));
      return false;
    case 0x8c:
    case 'U':
      push_text(Kind::kText, take(take_number<std::uint8_t>("a length"), "a text"));
      return false;
    case 0x8d:
      push_text(Kind::kText, take(take_number<std::uint64_t>("a length"), "a text"));
      return false;
    case 'B':
      push_text(Kind::kBytes, take(take_number<std::uint32_t>("a length"), "bytes"));
      return false;
    case 'C':
      push_text(Kind::kBytes, take(take_number<std::uint8_t>("a length"), "bytes"));
      return false;
    case 0x8e:
    case 0x96:
      push_text(Kind::kBytes, take(take_number<std::uint64_t>("a length"), "bytes"));
      return false;
    case ')': push_items(Kind::kTuple, {}); return false;
    case 't': push_items(Kind::kTuple, pop_to_mark()); return false;
    case 0x85: push_items(Kind::kTuple, pop_some(1)); return false;
    case 0x86: push_items(Kind::kTuple, pop_some(2)); return false;
    case 0x87: push_items(Kind::kTuple, pop_some(3)); return false;
    case ']': push_items(Kind::kList, {}); return false;
    case 'l': push_items(Kind::kList, pop_to_mark()); return false;
    case 'a': append(Kind::kList, pop_some(1)); return false;
    case 'e': append(Kind::kList, pop_to_mark()); return false;
    case '}': push_items(Kind::kDict, {}); return false;
    case 'd': {
      std::vector<Ref> items = pop_to_mark();
      push_items(Kind::kDict, {});
      append(Kind::kDict, items);
      return false;
    }
    case 's': append(Kind::kDict, pop_some(2)); return false;
    case 'u': append(Kind::kDict, pop_to_mark()); return false;
    case 0x8f: push_items(Kind::kSet, {}); return false;
    case 0x90: append(Kind::kSet, pop_to_mark()); return false;
    case 0x91: push_items(Kind::kSet, pop_to_mark()); return false;
    case 'h': memo_get(take_number<std::uint8_t>("a memo index")); return false;
    case 'j': memo_get(take_number<std::uint32_t>("a memo index")); return false;
    case 'q': memo_put(take_number<std::uint8_t>("a memo index")); return false;
    case 'r': memo_put(take_number<std::uint32_t>("a memo index")); return false;
    case 0x94: memo_put(memo_entries_); return false;
    case 'c': {
      const std::string_view module = take_line();
      push_global(module, take_line());
      return false;
    }
    case 0x93: {
      const Value &name = document_.at(pop()), &module = document_.at(pop());
      if (name.kind != Kind::kText || module.kind != Kind::kText)
        refuse("expected a global's module and name as texts, got other values");
      push_global(module.text, name.text);
      return false;
    }
    case 'R':
    case 0x81: reduce(); return false;
    case 'b': build(); return false;
    case 'Q': push(load_storage(document_, pop(), where_)); return false;
    default: break;
  }
  // The rest can name classes in other ways (INST, OBJ, EXT1, NEWOBJ_EX), needs data from elsewhere
  // (PERSID, NEXT_BUFFER), is protocol 0's, or is no opcode at all.
  char code[8];
  std::snprintf(code, sizeof code, "0x%02x", static_cast<unsigned>(opcode));
  throw Error(HN_UNSUPPORTED, where_ + ": pickle, byte " + std::to_string(opcode_at_) +
                                  ": expected an opcode of tensors and plain containers, got " +
                                  code);
}

}  // namespace

std::string_view kind_name(Kind kind) {
  switch (kind) {
    case Kind::kNone: return "None";
    case Kind::kBool: return "a bool";
    case Kind::kInt: return "an integer";
    case Kind::kBigInt: return "an integer above 64 bits";
    case Kind::kFloat: return "a number";
    case Kind::kText: return "a text";
    case Kind::kBytes: return "bytes";
    case Kind::kTuple: return "a tuple";
    case Kind::kList: return "a list";
    case Kind::kDict: return "a dictionary";
    case Kind::kSet: return "a set";
    case Kind::kGlobal: return "a global";
    case Kind::kStorage: return "a storage";
    case Kind::kTensor: return "a tensor";
    case Kind::kOpaque: return "an object";
  }
  return "a value";
}

Document unpickle(std::span<const std::byte> bytes, const std::string& where) {
  return Machine(bytes, where).run();
}

}  // namespace hn::pickle
