#include <ATen/ATen.h>

#include <algorithm>
#include <hn/cpp/error.hpp>
#include <hn/nn/tiles.hpp>
#include <string>
#include <vector>

namespace hn {
namespace {

// Fades from the end of `before` into the beginning of `tile` along a dimension.
at::Tensor blend(const at::Tensor& before, const at::Tensor& tile, std::int64_t extent,
                 std::int64_t dim) {
  extent = std::min({before.size(dim), tile.size(dim), extent});
  if (extent == 0) return tile;
  std::vector<std::int64_t> shape(4, 1);
  shape[static_cast<std::size_t>(dim)] = extent;
  const auto share = (at::arange(extent, at::TensorOptions(at::kDouble).device(tile.device())) /
                      static_cast<double>(extent))
                         .to(tile.scalar_type())
                         .view(shape);
  const auto end = before.narrow(dim, before.size(dim) - extent, extent);
  const auto mixed = end * (1 - share) + tile.narrow(dim, 0, extent) * share;
  return at::cat({mixed, tile.narrow(dim, extent, tile.size(dim) - extent)}, dim);
}

}  // namespace

TileOption tile_option(const Config& config) {
  return {config.i64("vae_tile", 0), config.find_i64("vae_tile_overlap")};
}

Tiling make_tiling(const TileOption& option, std::int64_t factor, std::int64_t overlap_share) {
  const std::int64_t tile = option.tile;
  if (tile < 0 || tile % factor != 0)
    throw Error(HN_INVALID_ARGUMENT, "[option vae_tile] expected 0 (no tiles) or a multiple of " +
                                         std::to_string(factor) + ", got " + std::to_string(tile));
  const auto given = option.overlap;
  if (tile == 0) return {};
  // Upstream rounds the stride down to whole latents.
  const std::int64_t stride =
      given ? tile - *given : (tile - tile / overlap_share) / factor * factor;
  if (stride <= 0 || stride > tile || stride % factor != 0)
    throw Error(HN_INVALID_ARGUMENT, "[option vae_tile_overlap] expected a multiple of " +
                                         std::to_string(factor) + " from 0 to below vae_tile " +
                                         std::to_string(tile) + ", got " +
                                         std::to_string(given.value_or(tile - stride)));
  return {tile / factor, stride / factor};
}

at::Tensor decode_in_tiles(const at::Tensor& latents, const Tiling& tiling, std::int64_t factor,
                           const std::function<at::Tensor(const at::Tensor&)>& decode,
                           BlockRunner& run) {
  const std::int64_t height = latents.size(2), width = latents.size(3),
                     extent = (tiling.tile - tiling.stride) * factor;
  std::vector<at::Tensor> above, rows;
  for (std::int64_t y = 0; y < height; y += tiling.stride) {
    const std::int64_t tall = std::min(tiling.tile, height - y);
    std::vector<at::Tensor> row, cut;
    for (std::int64_t x = 0; x < width; x += tiling.stride) {
      const auto part = latents.narrow(2, y, tall).narrow(3, x, std::min(tiling.tile, width - x));
      auto tile = run.always([decode](const Tensors& in) { return decode(in[0]); }, {part});
      // Neighbours are blended with what they have become themselves, as upstream does in place.
      if (!above.empty()) tile = blend(above[row.size()], tile, extent, 2);
      if (!row.empty()) tile = blend(row.back(), tile, extent, 3);
      row.push_back(tile);
      const std::int64_t most = tiling.stride * factor;
      cut.push_back(tile.narrow(2, 0, std::min(most, tile.size(2)))
                        .narrow(3, 0, std::min(most, tile.size(3))));
    }
    rows.push_back(at::cat(cut, 3));
    above = std::move(row);
  }
  return at::cat(rows, 2);
}

}  // namespace hn
