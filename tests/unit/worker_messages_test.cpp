// The worker protocol: what is written is read, and nothing else is.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <random>
#include <thread>

#include "worker/channel.hpp"
#include "worker/messages.hpp"

namespace hn::worker {
namespace {

TensorRef some_tensor() { return {4096, 2, 32, 1, {2, 3, 8, 8}, {192, 64, 8, 1}}; }

CallArgs some_call() {
  CallArgs call;
  call.fn = 3;
  call.flags = 1;
  call.block = 2;
  call.cond = {5, 6};
  call.in = {some_tensor(), std::nullopt};
  call.out = {some_tensor()};
  call.need_grad = {1, 0};
  call.rng_seed = 1ull << 63;
  return call;
}

// One of each kind, with something in every field.
std::vector<Message> samples() {
  Start start;
  start.bundle = "/a/clip.hnp";
  start.readable = {"/w", ""};
  start.sandbox = true;
  Answer answer;
  answer.text = std::string("with a \0 in it", 14);
  answer.list = {"a", "b"};
  answer.number = -0.5;
  return {start,
          Create{},
          Destroy{},
          Open{1, "score"},
          Close{1},
          Plan{some_call()},
          Shapes{some_call()},
          Forward{9, some_call()},
          Backward{9, 4, {some_tensor()}, {std::nullopt, some_tensor()}, {0, 1}},
          SavedRelease{9},
          Encode{1, {{7, "a cat", "a dog", "{}", {{"mask", some_tensor()}}}}},
          CondRelease{7},
          Embedding{7, 1, some_tensor()},
          Layers{"noise_net"},
          AskMemory{},
          Trim{},
          Audit{},
          NewBlock{1, 65536},
          DropBlock{1},
          answer,
          Reply{8, "why", "body"},
          Log{2, "text"},
          Progress{"loading", 1, 2},
          Ask{4, "lora.targets"},
          Component{"{}"}};
}

TEST(WorkerMessages, ComeBackAsTheyWere) {
  const std::vector<Message> all = samples();
  ASSERT_EQ(all.size(), std::variant_size_v<Message>);
  for (std::size_t i = 0; i < all.size(); ++i) {
    ASSERT_EQ(all[i].index(), i) << "one sample of each kind, in order";
    const std::string bytes = encode({i + 10, all[i]});
    const Frame frame = decode(bytes);
    EXPECT_EQ(frame.number, i + 10);
    EXPECT_EQ(frame.message.index(), i);
    EXPECT_EQ(encode(frame), bytes);
  }
}

TEST(WorkerMessages, ACutOrLengthenedMessageIsRefused) {
  for (const Message& message : samples()) {
    const std::string bytes = encode({1, message});
    for (std::size_t n = 0; n < bytes.size(); ++n)
      EXPECT_THROW(decode(std::string_view(bytes).substr(0, n)), Error) << message.index();
    EXPECT_THROW(decode(bytes + '\0'), Error) << message.index();
  }
}

TEST(WorkerMessages, AnUnknownKindIsRefusedByNumber) {
  std::string bytes = encode({1, Create{}});
  bytes[0] = 99;
  try {
    decode(bytes);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), HN_DATA_LOSS);
    EXPECT_THAT(e.what(), ::testing::HasSubstr("kind 99"));
  }
}

TEST(WorkerMessages, AListThatClaimsMoreThanThereIsTakesNoMemory) {
  // Open{fn, name}: the name's length says 4 GiB.
  std::string bytes = encode({1, Open{1, ""}});
  bytes.replace(bytes.size() - 4, 4, "\xff\xff\xff\xff");
  EXPECT_THROW(decode(bytes), Error);
  std::string list = encode({1, Start{}});
  for (std::size_t i = 10; i + 4 <= list.size(); ++i) {
    std::string damaged = list;
    damaged.replace(i, 4, "\xff\xff\xff\x7f");
    try {
      decode(damaged);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), HN_DATA_LOSS);
    }
  }
}

// An absent tensor is one byte on the wire and many in memory.
TEST(WorkerMessages, AListOfMoreElementsThanAnyMessageHasIsNeitherReadNorWritten) {
  Backward most{1, 0, TensorRefs(kMostElements), {}, {}};
  const std::string bytes = encode({1, most});
  EXPECT_EQ(encode(decode(bytes)), bytes);
  std::string more = bytes;
  const std::uint32_t count = kMostElements + 1;
  // Behind kind, number, saved and block.
  more.replace(2 + 8 + 8 + 4, sizeof count, reinterpret_cast<const char*>(&count), sizeof count);
  more.insert(2 + 8 + 8 + 4 + sizeof count, 1, '\0');
  try {
    decode(more);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), HN_DATA_LOSS);
    EXPECT_THAT(e.what(), ::testing::HasSubstr("more elements than any message has"));
  }
  most.cotangent.emplace_back();
  EXPECT_THROW(encode({1, most}), Error);
}

TEST(WorkerMessages, ChangedBytesAreReadOrRefusedAndNothingElse) {
  std::mt19937 random(7);
  for (const Message& message : samples()) {
    const std::string bytes = encode({1, message});
    for (int round = 0; round < 300; ++round) {
      std::string damaged = bytes;
      for (int n = 0; n < 1 + round % 4; ++n)
        damaged[random() % damaged.size()] = static_cast<char>(random());
      try {
        const Frame frame = decode(damaged);
        EXPECT_EQ(encode(frame), damaged);
      } catch (const Error& e) {
        EXPECT_EQ(e.code(), HN_DATA_LOSS);
      }
    }
  }
  for (int round = 0; round < 20000; ++round) {
    std::string noise(random() % 64, '\0');
    for (char& c : noise) c = static_cast<char>(random());
    if (noise.size() > 1) noise[1] = 0;
    try {
      decode(noise);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), HN_DATA_LOSS);
    }
  }
}

// ---- channels

struct Pair {
  Pair() {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    left = Descriptor(ends[0]);
    right = Descriptor(ends[1]);
  }
  Descriptor left, right;
};

TEST(WorkerChannel, CarriesFramesOfAnySizeAndFiles) {
  Pair pair;
  Channel left(std::move(pair.left)), right(std::move(pair.right));
  const std::string large(8 << 20, 'x');
  std::thread sender([&] {
    left.send({1, Log{0, large}});
    left.send({2, NewBlock{1, 10}}, 1);
  });
  EXPECT_EQ(std::get<Log>(right.receive().frame.message).text, large);
  const Channel::Received received = right.receive();
  EXPECT_EQ(received.frame.number, 2u);
  EXPECT_TRUE(received.file.valid());
  sender.join();
}

TEST(WorkerChannel, TellsThatTheOtherEndIsClosed) {
  Pair pair;
  Channel left(std::move(pair.left));
  pair.right = Descriptor();
  EXPECT_THROW(left.receive(), ChannelClosed);
  EXPECT_THROW(left.send({1, Create{}}), ChannelClosed);
}

TEST(WorkerChannel, RefusesALengthThatNoMessageHas) {
  Pair pair;
  const std::uint32_t length = kMostBytes + 1;
  ASSERT_EQ(::write(pair.right.get(), &length, sizeof length), 4);
  Channel left(std::move(pair.left));
  EXPECT_THROW(left.receive(), Error);
}

TEST(WorkerChannel, GivesUpWhereWaitingThrows) {
  Pair pair;
  Channel left(std::move(pair.left));
  EXPECT_THROW(left.receive([] { throw Error(HN_DEADLINE, "late"); }), Error);
}

}  // namespace
}  // namespace hn::worker
