#include "core/noise_net.hpp"

#include <algorithm>

#include "core/constant_net.hpp"
#include "core/lora_net.hpp"
#include "core/low_frequency_net.hpp"

namespace hn::core {
namespace {

LowFrequencyShape shape_for(const GeneratorModel& generator, const NetSpec& net) {
  return low_frequency_shape(generator.noise_shape(), generator.embedding_size(), net);
}

}  // namespace

NetSpec fit_net(GeneratorModel& generator, NetSpec net) {
  if (net.kind != NetKind::kLowFrequency) return net;
  const std::vector<std::int64_t>& noise = generator.noise_shape();
  const std::int64_t most = std::min(noise.at(1), noise.at(2));
  if (net.frequencies > most)
    throw Error(HN_INVALID_ARGUMENT, "[net] frequencies: expected 1 to " + std::to_string(most) +
                                         ", as the noise of " + generator.instance().name() +
                                         " has " + std::to_string(noise.at(1)) + " x " +
                                         std::to_string(noise.at(2)) + " points, got " +
                                         std::to_string(net.frequencies));
  const bool pooled = generator.embedding_size() > 0;
  if (net.condition == NetCondition::kPooled && !pooled)
    throw Error(HN_INVALID_ARGUMENT,
                "[net] condition: expected \"auto\" or \"none\", as " +
                    generator.instance().name() +
                    " has no pooled prompt embedding (hn.cond/1 embedding_size is 0), got "
                    "\"pooled\"");
  if (net.condition == NetCondition::kAuto)
    net.condition = pooled ? NetCondition::kPooled : NetCondition::kNone;
  return net;
}

std::vector<Parameter> net_parameters(GeneratorModel& generator, const NetSpec& net) {
  switch (net.kind) {
    case NetKind::kLowFrequency: return low_frequency_parameters(shape_for(generator, net));
    case NetKind::kConstant: return constant_parameters(generator.noise_shape());
    case NetKind::kHypernet:
    case NetKind::kFinetune: return lora_parameters(*generator.adapted());
    case NetKind::kNone: break;
  }
  return {};
}

std::unique_ptr<NoiseNet> make_noise_net(GeneratorModel& generator, const Adapter& adapter,
                                         NoiseGradient gradient) {
  switch (adapter.net().kind) {
    case NetKind::kHypernet:
      return std::make_unique<LoraNet>(*generator.adapted(), adapter, gradient);
    case NetKind::kLowFrequency:
      return std::make_unique<LowFrequencyNet>(generator.instance(),
                                               shape_for(generator, adapter.net()), adapter);
    case NetKind::kConstant: return std::make_unique<ConstantNet>(adapter);
    case NetKind::kFinetune:
    case NetKind::kNone: break;
  }
  throw Error(HN_INTERNAL, "[net] " + name_of(adapter.net().kind) + " is no noise network");
}

std::optional<std::uint64_t> net_flops(const GeneratorModel& generator, const Adapter& adapter) {
  const NetSpec& net = adapter.net();
  if (net.kind == NetKind::kConstant) return 0;
  if (net.kind == NetKind::kLowFrequency) return low_frequency_flops(shape_for(generator, net));
  return std::nullopt;
}

}  // namespace hn::core
