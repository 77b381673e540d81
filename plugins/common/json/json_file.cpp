#include "json/json_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <hn/cpp/error.hpp>
#include <numeric>
#include <utility>

namespace hn {
namespace {

using Json = nlohmann::json;

// Builds the value and refuses what nlohmann's own builder lets through: a key twice (the last
// would win) and unbounded depth.
class StrictBuilder final : public nlohmann::json_sax<Json> {
 public:
  explicit StrictBuilder(const std::string& where) : where_(where) {}

  Json take() { return std::move(root_); }

  bool null() override { return add(Json(nullptr)) != nullptr; }
  bool boolean(bool value) override { return add(Json(value)) != nullptr; }
  bool number_integer(number_integer_t value) override { return add(Json(value)) != nullptr; }
  bool number_unsigned(number_unsigned_t value) override { return add(Json(value)) != nullptr; }
  bool number_float(number_float_t value, const string_t&) override {
    return add(Json(value)) != nullptr;
  }
  bool string(string_t& value) override { return add(Json(std::move(value))) != nullptr; }
  bool binary(binary_t&) override { return false; }  // JSON text has none

  bool start_object(std::size_t) override { return open(Json::object()); }
  bool end_object() override { return close(); }
  bool start_array(std::size_t) override { return open(Json::array()); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    if (open_.back()->contains(name)) {
      throw Error(HN_DATA_LOSS,
                  where_ + ": expected every key once, got \"" + name + "\" twice in one object");
    }
    key_ = std::move(name);
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const Json::exception& e) override {
    std::string reason = e.what();
    if (const auto bracket = reason.find("] "); bracket != std::string::npos)
      reason.erase(0, bracket + 2);
    throw Error(HN_DATA_LOSS, where_ + ": expected JSON, got an error at byte " +
                                  std::to_string(position) + ": " + reason);
  }

 private:
  Json* add(Json value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    Json& parent = *open_.back();
    if (parent.is_array()) {
      parent.push_back(std::move(value));
      return &parent.back();
    }
    return &(parent[key_] = std::move(value));
  }

  // The pointers in open_ stay valid: a container grows only after the one opened inside it has
  // been closed.
  bool open(Json container) {
    if (open_.size() >= kMaxJsonDepth) {
      throw Error(HN_DATA_LOSS, where_ + ": expected at most " + std::to_string(kMaxJsonDepth) +
                                    " nested objects and arrays, got more");
    }
    open_.push_back(add(std::move(container)));
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  const std::string& where_;
  Json root_;
  std::vector<Json*> open_;
  std::string key_;
};

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

// Closes a descriptor on every way out.
struct Descriptor {
  int value;
  explicit Descriptor(int descriptor) : value(descriptor) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (value >= 0) ::close(value);
  }
};

}  // namespace

std::string read_whole_file(const std::filesystem::path& path, std::size_t max_bytes) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.value < 0) {
    throw Error(HN_NOT_FOUND,
                path.string() + ": expected a readable file, got: " + std::strerror(errno));
  }
  struct stat status {};
  if (::fstat(file.value, &status) != 0 || !S_ISREG(status.st_mode)) {
    throw Error(HN_NOT_FOUND, path.string() + ": expected a regular file, got something else");
  }
  if (static_cast<std::uint64_t>(status.st_size) > max_bytes) {
    throw Error(HN_DATA_LOSS, path.string() + ": expected at most " + std::to_string(max_bytes) +
                                  " bytes, got " + std::to_string(status.st_size));
  }
  std::string text(static_cast<std::size_t>(status.st_size), '\0');
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t n = ::read(file.value, text.data() + done, text.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      throw Error(HN_DATA_LOSS,
                  path.string() + ": expected " + std::to_string(text.size()) + " bytes, got " +
                      std::to_string(done) +
                      (n < 0 ? std::string(", then: ") + std::strerror(errno) : std::string()));
    }
    done += static_cast<std::size_t>(n);
  }
  return text;
}

Json parse_json(std::string_view text, const std::string& where) {
  StrictBuilder builder(where);
  // The builder throws on every error, so that a false result cannot come without one.
  if (!Json::sax_parse(text.begin(), text.end(), &builder))
    throw Error(HN_DATA_LOSS, where + ": expected JSON, got an unreadable text");
  return builder.take();
}

Json read_json_file(const std::filesystem::path& path) {
  return parse_json(read_whole_file(path), path.string());
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
