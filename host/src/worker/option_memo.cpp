#include "worker/option_memo.hpp"

namespace hn::worker {
namespace {

template <class T, class Store>
void store_or_absent(Answer& answer, std::optional<T> value, Store&& store) {
  if (!value) return;
  answer.status = HN_OK;
  store(*value);
}

}  // namespace

Answer read_option(const Config& config, OptionType type, const std::string& key) {
  Answer answer;
  answer.status = HN_NOT_FOUND;
  const char* name = key.c_str();
  try {
    switch (type) {
      case OptionType::kStr:
        store_or_absent(answer, config.find_str(name), [&](auto& v) { answer.text = v; });
        break;
      case OptionType::kI64:
        store_or_absent(answer, config.find_i64(name), [&](auto v) { answer.integer = v; });
        break;
      case OptionType::kF64:
        store_or_absent(answer, config.find_f64(name), [&](auto v) { answer.number = v; });
        break;
      case OptionType::kBool:
        store_or_absent(answer, config.find_bool(name), [&](bool v) { answer.integer = v; });
        break;
      case OptionType::kList:
        answer.list = config.list(name);
        answer.status = HN_OK;  // absent and empty are the same
        break;
    }
  } catch (const Error& e) {  // it is there, but of another type
    answer.status = e.code();
  }
  return answer;
}

}  // namespace hn::worker
