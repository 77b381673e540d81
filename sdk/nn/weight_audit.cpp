#include <hn/nn/weight_audit.hpp>
#include <nlohmann/json.hpp>
#include <utility>

namespace hn {
namespace {

std::function<void(const WeightReport&)>& current_sink() {
  thread_local std::function<void(const WeightReport&)> sink;
  return sink;
}

}  // namespace

WeightReporting::WeightReporting(std::function<void(const WeightReport&)> sink) {
  current_sink() = std::move(sink);
}
WeightReporting::~WeightReporting() { current_sink() = nullptr; }

bool reporting_weights() { return static_cast<bool>(current_sink()); }

void add_weight_report(const WeightReport& report) { current_sink()(report); }

std::string to_json(const WeightReport& report) {
  using Json = nlohmann::ordered_json;
  const Json object = {{"model", report.model},          {"path", report.path.string()},
                       {"tensors", report.tensors},      {"parameters", report.parameters},
                       {"missing", report.missing},      {"wrong_shape", report.wrong_shape},
                       {"unexpected", report.unexpected}};
  return object.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace hn
