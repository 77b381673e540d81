// Decoding a picture in overlapping tiles whose seams are blended, with a gradient.
//
// Source: diffusers 0.42.1, AutoencoderDC.tiled_decode and AutoencoderKL.tiled_decode, which are
// the same but for their overlap: 1/8 of a tile and 1/4 of it. Each tile is computed again in the
// backward, so that one tile's activations are held at a time.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <hn/cpp/config.hpp>
#include <hn/nn/checkpoint.hpp>
#include <optional>

namespace hn {

// In latents.
struct Tiling {
  std::int64_t tile = 0;    // side of a tile; 0: no tiles
  std::int64_t stride = 0;  // from tile to tile

  // Whether latents of this height and width are cut at all.
  bool cuts(std::int64_t height, std::int64_t width) const {
    return tile > 0 && (height > tile || width > tile);
  }
};

// Options `vae_tile` and `vae_tile_overlap`, in pixels.
struct TileOption {
  std::int64_t tile = 0;  // 0: no tiles
  std::optional<std::int64_t> overlap;
};
TileOption tile_option(const Config& config);

// The same in latents; factor: pixels a latent. Without an overlap: 1/overlap_share of the tile, in
// whole latents, as upstream rounds it. HN_INVALID_ARGUMENT for sizes that are no multiple of the
// factor or an overlap that is not below the tile.
Tiling make_tiling(const TileOption& option, std::int64_t factor, std::int64_t overlap_share);

// latents: [B, C, h, w]. decode: a pure function of a tile [B, C, <= tile, <= tile] to its picture,
// factor times as large. Returns [B, 3, factor h, factor w].
at::Tensor decode_in_tiles(const at::Tensor& latents, const Tiling& tiling, std::int64_t factor,
                           const std::function<at::Tensor(const at::Tensor&)>& decode,
                           BlockRunner& run);

}  // namespace hn
