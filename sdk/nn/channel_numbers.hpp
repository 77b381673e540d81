// image_mean and image_std of a configuration: three numbers that normalise pixels in [0,1].
#pragma once

#include <array>
#include <hn/formats/json_file.hpp>
#include <string>

namespace hn {

// The key's list of three, or one number for all; `otherwise` where it is missing. HN_DATA_LOSS
// where they are not three, or so large that float32 pixels would not survive them.
std::array<double, 3> channel_means(JsonObject& json, const std::string& key,
                                    std::array<double, 3> otherwise);
// Likewise, and above 0.
std::array<double, 3> channel_deviations(JsonObject& json, const std::string& key,
                                         std::array<double, 3> otherwise);

}  // namespace hn
