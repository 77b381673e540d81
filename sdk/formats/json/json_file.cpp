#include <algorithm>
#include <hn/cpp/error.hpp>
#include <hn/formats/json_file.hpp>
#include <hn/formats/kind_of_file.hpp>
#include <numeric>
#include <set>
#include <type_traits>
#include <utility>

namespace hn {
namespace {

// Builds the value and refuses what nlohmann's own builder lets through: a key twice (the last
// would win), unbounded depth, and, where `exact`, integers that only a rounded number holds.
template <class Json>
class StrictBuilder final : public nlohmann::json_sax<Json> {
 public:
  using typename nlohmann::json_sax<Json>::number_integer_t;
  using typename nlohmann::json_sax<Json>::number_unsigned_t;
  using typename nlohmann::json_sax<Json>::number_float_t;
  using typename nlohmann::json_sax<Json>::string_t;
  using typename nlohmann::json_sax<Json>::binary_t;
  using Member = std::function<void(const std::string&, const Json&)>;

  // member: gets each value of the root object, which then is dropped.
  StrictBuilder(const std::string& where, bool exact, std::size_t max_values = kMaxJsonValues,
                const Member* member = nullptr)
      : where_(where), exact_(exact), max_values_(max_values), member_(member) {}

  Json take() { return std::move(root_); }

  bool null() override { return add_whole(Json(nullptr)); }
  bool boolean(bool value) override { return add_whole(Json(value)); }
  bool number_integer(number_integer_t value) override { return add_whole(Json(value)); }
  bool number_unsigned(number_unsigned_t value) override { return add_whole(Json(value)); }
  bool number_float(number_float_t value, const string_t& text) override {
    if (exact_ && text.find_first_of(".eE") == string_t::npos)
      fail("expected integers of at most 64 bits, got " + text.substr(0, 80));
    return add_whole(Json(value));
  }
  bool string(string_t& value) override { return add_whole(Json(std::move(value))); }
  bool binary(binary_t&) override { return false; }  // JSON text has none

  bool start_object(std::size_t) override { return open(Json::object()); }
  bool end_object() override { return close(); }
  bool start_array(std::size_t) override { return open(Json::array()); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    if (!is_new(name))
      fail("expected every key once, got \"" + name.substr(0, 200) + "\" twice in one object");
    key_ = std::move(name);
    if (open_.size() == 1) root_key_ = key_;
    return true;
  }

  [[noreturn]] bool parse_error(std::size_t position, const std::string&,
                                const nlohmann::json::exception& e) override {
    std::string reason = e.what();
    if (const auto bracket = reason.find("] "); bracket != std::string::npos)
      reason.erase(0, bracket + 2);
    // It quotes what was read last, however long and in whatever encoding that is.
    if (reason.size() > kMaxReason) reason = reason.substr(0, kMaxReason) + " ...";
    fail("expected JSON, got an error at byte " + std::to_string(position) + ": " +
         escaped_bytes(reason));
  }

 private:
  static constexpr std::size_t kMaxReason = 300;
  static constexpr bool kOrdered = std::is_same_v<Json, nlohmann::ordered_json>;

  [[noreturn]] void fail(const std::string& text) const {
    throw Error(HN_DATA_LOSS, where_ + ": " + text);
  }

  Json* add(Json value) {
    if (++values_ > max_values_)
      throw Error(HN_DATA_LOSS, where_ + ": expected at most " + std::to_string(max_values_) +
                                    " values, got more");
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    Json& parent = *open_.back();
    if (parent.is_array()) {
      parent.push_back(std::move(value));
      return &parent.back();
    }
    auto& object = parent.template get_ref<typename Json::object_t&>();
    if constexpr (kOrdered) {  // its operator[] would look through all keys
      return &object.emplace_back(std::move(key_), std::move(value)).second;
    } else {
      return &(object[std::move(key_)] = std::move(value));
    }
  }

  bool is_new(const std::string& key) {
    if constexpr (kOrdered) {
      return keys_.back().insert(key).second;
    } else {
      return !open_.back()->contains(key);
    }
  }

  // The pointers in open_ stay valid: a container grows only after the one opened inside it has
  // been closed.
  bool open(Json container) {
    if (open_.size() >= kMaxJsonDepth)
      fail("expected at most " + std::to_string(kMaxJsonDepth) +
           " nested objects and arrays, got more");
    open_.push_back(add(std::move(container)));
    keys_.emplace_back();
    return true;
  }

  bool close() {
    open_.pop_back();
    keys_.pop_back();
    end_member();
    return true;
  }

  bool add_whole(Json value) {
    add(std::move(value));
    end_member();
    return true;
  }

  // The key stays, so that a second one of its name is found.
  void end_member() {
    if (member_ == nullptr || open_.size() != 1 || !root_.is_object()) return;
    Json value;
    std::swap(value, root_[root_key_]);
    values_ = 0;
    (*member_)(root_key_, value);
  }

  const std::string& where_;
  bool exact_;
  Json root_;
  std::vector<Json*> open_;
  std::vector<std::set<std::string>> keys_;  // of each open object that is ordered
  std::string key_, root_key_;
  std::size_t values_ = 0, max_values_;
  const Member* member_;
};

template <class Json>
void build(std::string_view text, const std::string& where, StrictBuilder<Json>& builder) {
  // The parser takes a zero byte for the end and leaves the rest unread.
  if (const std::size_t zero = text.find('\0'); zero != std::string_view::npos)
    throw Error(HN_DATA_LOSS,
                where + ": expected JSON, got a zero byte at byte " + std::to_string(zero));
  // The builder throws on every error, so that a false result cannot come without one.
  if (!Json::sax_parse(text.begin(), text.end(), &builder))
    throw Error(HN_DATA_LOSS, where + ": expected JSON, got an unreadable text");
}

template <class Json>
Json parse(std::string_view text, const std::string& where, bool exact) {
  StrictBuilder<Json> builder(where, exact);
  build(text, where, builder);
  return builder.take();
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
    }
  }
  return row[b.size()];
}

}  // namespace

nlohmann::json parse_json(std::string_view text, const std::string& where) {
  return parse<nlohmann::json>(text, where, /*exact=*/false);
}

nlohmann::ordered_json parse_ordered_json(std::string_view text, const std::string& where) {
  return parse<nlohmann::ordered_json>(text, where, /*exact=*/true);
}

void parse_json_members(
    std::string_view text, const std::string& where, std::size_t max_values,
    const std::function<void(const std::string&, const nlohmann::json&)>& member) {
  StrictBuilder<nlohmann::json> builder(where, /*exact=*/false, max_values, &member);
  build(text, where, builder);
}

nlohmann::json read_json_file(const std::filesystem::path& path) {
  const std::string bytes = read_whole_file(path);
  const KindOfFile kind = kind_of_file(bytes, bytes.size());
  if (kind.kind != FileKind::kJson && kind.kind != FileKind::kText &&
      kind.kind != FileKind::kEmpty && kind.kind != FileKind::kOther)
    throw Error(HN_DATA_LOSS, path.string() + ": expected JSON, got " + kind.text);
  return parse_json(as_text(bytes, path.string()), path.string());
}

std::vector<std::string> nearest_names(std::string_view name,
                                       std::span<const std::string> candidates) {
  // Long lists of long names (tensors of a model) would make this quadratic work slow, and names so
  // far apart in length are not near.
  std::vector<std::pair<std::size_t, std::string>> scored;
  for (const std::string& candidate : candidates) {
    const std::size_t longest = std::max(name.size(), candidate.size());
    const std::size_t shortest = std::min(name.size(), candidate.size());
    if (longest > 256 || longest - shortest > longest / 2) continue;
    const std::size_t distance = edit_distance(name, candidate);
    if (distance <= longest / 2) scored.emplace_back(distance, candidate);
  }
  std::sort(scored.begin(), scored.end());
  std::vector<std::string> nearest;
  for (std::size_t i = 0; i < scored.size() && i < 3; ++i) nearest.push_back(scored[i].second);
  return nearest;
}

std::string nearest_hint(std::string_view name, std::span<const std::string> candidates) {
  std::string hint;
  for (const std::string& candidate : nearest_names(name, candidates))
    hint += (hint.empty() ? "; nearest: " : ", ") + candidate;
  return hint;
}

}  // namespace hn
