// Tensors in shared blocks: layouts, marks, blocks that are used again.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <hn/cpp/tensor.hpp>
#include <numeric>

#include "support/float_views.hpp"
#include "worker/blocks.hpp"
#include "worker/tensors.hpp"

namespace hn::worker {
namespace {

struct Strided : test::Floats {
  Strided(std::vector<std::int64_t> of_shape, std::vector<std::int64_t> of_strides,
          std::size_t size)
      : Floats(std::move(of_shape), std::move(of_strides), std::vector<float>(size)) {
    std::iota(data.begin(), data.end(), 0.0f);
  }
};

std::vector<float> through_a_block(const Strided& from, Strided& to) {
  Packing packing;
  const TensorRef ref = packing.add(from.tensor, "tensor");
  std::vector<std::byte> block(packing.size());
  packing.mark(block.data());
  copy_in(from.tensor, ref, block.data());
  copy_out(block.data(), ref, to.tensor);
  EXPECT_EQ(packing.damaged(block.data()), "");
  return to.data;
}

TEST(WorkerTensors, DenseLayoutsStayAsTheyAre) {
  Strided channels_last({1, 3, 2, 2}, {12, 1, 6, 3}, 12);
  Packing packing;
  EXPECT_EQ(packing.add(channels_last.tensor, "t").strides, channels_last.strides);
  Strided copy({1, 3, 2, 2}, {12, 1, 6, 3}, 12);
  copy.data.assign(12, -1);
  EXPECT_EQ(through_a_block(channels_last, copy), channels_last.data);
}

TEST(WorkerTensors, GapsAndBroadcastsBecomeContiguous) {
  Strided gaps({2, 2}, {4, 2}, 8), broadcast({2, 3}, {0, 1}, 3);
  Strided four({2, 2}, {2, 1}, 4), six({2, 3}, {3, 1}, 6);
  EXPECT_THAT(through_a_block(gaps, four), ::testing::ElementsAre(0, 2, 4, 6));
  EXPECT_THAT(through_a_block(broadcast, six), ::testing::ElementsAre(0, 1, 2, 0, 1, 2));
  // And back into a tensor with gaps, beside which nothing is written.
  Strided target({2, 2}, {4, 2}, 8);
  target.data.assign(8, -1);
  EXPECT_THAT(through_a_block(four, target), ::testing::ElementsAre(0, -1, 2, -1, 4, -1, 6, -1));
}

TEST(WorkerTensors, EmptyOnesAndScalarsCross) {
  Strided empty({0, 3}, {3, 1}, 0), scalar({}, {}, 1), other({}, {}, 1);
  scalar.data[0] = 5;
  EXPECT_THAT(through_a_block(scalar, other), ::testing::ElementsAre(5));
  Strided none({0, 3}, {3, 1}, 0);
  through_a_block(empty, none);
}

TEST(WorkerTensors, OtherDevicesAreRefusedByName) {
  Strided t({1}, {1}, 1);
  t.tensor.device = {kDLCUDA, 0};
  Packing packing;
  try {
    packing.add(t.tensor, "input image");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), HN_UNSUPPORTED);
    EXPECT_THAT(e.what(), ::testing::HasSubstr("input image"));
  }
}

TEST(WorkerTensors, AWriteBesideATensorIsSeenAndNamed) {
  Strided a({3}, {1}, 3), b({5}, {1}, 5);
  Packing packing;
  const TensorRef at_a = packing.add(a.tensor, "a"), at_b = packing.add(b.tensor, "b");
  std::vector<std::byte> block(packing.size());
  const auto with = [&](std::uint64_t at) {
    packing.mark(block.data());
    block[at] = std::byte{1};
    return packing.damaged(block.data());
  };
  EXPECT_EQ(with(at_a.offset), "");
  EXPECT_EQ(with(at_a.offset + 12), "a");
  EXPECT_EQ(with(at_a.offset - 1), "a");
  EXPECT_EQ(with(at_b.offset - 1), "a");
  EXPECT_EQ(with(at_b.offset + 20), "b");
  EXPECT_EQ(with(packing.size() - 1), "b");
}

TEST(WorkerTensors, APlaceOutsideOfTheBlockIsRefused) {
  std::vector<std::byte> block(1024);
  const TensorRef good{64, kDLFloat, 32, 1, {2, 3}, {3, 1}};
  EXPECT_EQ(view_of(good, block.data(), block.size()).data, block.data() + 64);
  const auto refused = [&](auto change) {
    TensorRef bad = good;
    change(bad);
    EXPECT_THROW(view_of(bad, block.data(), block.size()), Error);
  };
  refused([](TensorRef& t) { t.offset = 1024 - 20; });
  refused([](TensorRef& t) { t.offset = ~std::uint64_t{0}; });
  refused([](TensorRef& t) { t.offset = 65; });
  refused([](TensorRef& t) { t.shape[0] = -1; });
  refused([](TensorRef& t) { t.strides[0] = -1; });
  refused([](TensorRef& t) { t.strides.pop_back(); });
  refused([](TensorRef& t) { t.bits = 0; });
  refused([](TensorRef& t) { t.shape[0] = std::int64_t{1} << 62; });
  refused([](TensorRef& t) { t.shape = {std::int64_t{1} << 40, 1}; });
  refused([](TensorRef& t) { t.shape.assign(9, 1), t.strides.assign(9, 1); });
}

TEST(WorkerBlocks, AreUsedAgain) {
  int added = 0, dropped = 0;
  const auto pool = std::make_shared<BlockPool>([&](const Block&) { ++added; },
                                                [&](std::uint32_t) { ++dropped; });
  for (int i = 0; i < 1000; ++i) {
    const BlockPool::Lease forward = pool->take(100'000), backward = pool->take(200'000);
    EXPECT_NE(forward.id(), backward.id());
  }
  EXPECT_EQ(added, 2) << "two at once, two made";
  EXPECT_EQ(pool->take(0).id(), 0u);
  std::vector<BlockPool::Lease> many(20);
  for (auto& lease : many) lease = pool->take(10);
  many.clear();
  EXPECT_GT(dropped, 0) << "a few stay, the rest is given back";
}

TEST(WorkerBlocks, CannotBeShrunkUnderTheReader) {
  const Block block = make_block(1, 65536);
  EXPECT_NE(::ftruncate(block.file.get(), 0), 0);
  EXPECT_EQ(map_block(block.file, 65536).size(), 65536u);
  EXPECT_THROW(map_block(block.file, 4096), Error) << "another size than the file has";
  const Descriptor loose(::memfd_create("loose", MFD_CLOEXEC));
  ASSERT_EQ(::ftruncate(loose.get(), 4096), 0);
  EXPECT_THROW(map_block(loose, 4096), Error) << "not sealed";
  EXPECT_THROW(map_block(Descriptor(), 4096), Error) << "no file";
}

TEST(WorkerBlocksDeathTest, BesideThemIsNothing) {
  const Block block = make_block(1, 4096);
  EXPECT_DEATH(*(reinterpret_cast<volatile char*>(block.memory.data()) + 4096) = 1, "");
  EXPECT_DEATH(*(reinterpret_cast<volatile char*>(block.memory.data()) - 1) = 1, "");
}

}  // namespace
}  // namespace hn::worker
