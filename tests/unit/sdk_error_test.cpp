// hn/cpp/error.hpp: the firewall, the caller's buffer, structs of other lengths.
#include <gtest/gtest.h>
#include <hn/host.h>

#include <cstring>
#include <hn/cpp/config.hpp>
#include <hn/cpp/error.hpp>
#include <hn/cpp/tensor.hpp>
#include <new>
#include <stdexcept>

namespace {

TEST(Guard, MapsEveryException) {
  hn::ErrorBuffer error;
  EXPECT_EQ(hn::guard(error.get(), [] {}), HN_OK);
  EXPECT_EQ(error.text(), "");
  EXPECT_EQ(hn::guard(error.get(), [] { throw hn::Error(HN_DATA_LOSS, "[x] lost"); }),
            HN_DATA_LOSS);
  EXPECT_EQ(error.text(), "[x] lost");
  EXPECT_EQ(error.get()->code, HN_DATA_LOSS);
  EXPECT_EQ(hn::guard(error.get(), [] { throw std::bad_alloc(); }), HN_OUT_OF_MEMORY);
  EXPECT_EQ(error.text(), "out of memory");
  EXPECT_EQ(hn::guard(error.get(), [] { throw std::out_of_range("index 7"); }), HN_INTERNAL);
  EXPECT_EQ(error.text(), "index 7");
  EXPECT_EQ(hn::guard(error.get(), [] { throw 3; }), HN_INTERNAL);
  EXPECT_EQ(error.text(), "unknown exception");
  EXPECT_EQ(hn::guard(nullptr, [] { throw 3; }), HN_INTERNAL);
}

TEST(WriteError, CutsAtTheCapacityAndTellsTheWholeLength) {
  char text[8] = "xxxxxxx";
  hn_error error{sizeof(hn_error), 0, text, 5, 0};
  hn::write_error(&error, HN_INTERNAL, "abcdefgh");
  EXPECT_STREQ(text, "abcd");
  EXPECT_EQ(text[5], 'x');
  EXPECT_EQ(error.length, 8u);
  error.capacity = 0;
  text[0] = 'x';
  hn::write_error(&error, HN_UNSUPPORTED, "abc");
  EXPECT_EQ(text[0], 'x');
  EXPECT_EQ(error.length, 3u);
  EXPECT_EQ(error.code, HN_UNSUPPORTED);
  error.message = nullptr;
  error.capacity = 100;
  hn::write_error(&error, HN_NOT_FOUND, "abc");
  EXPECT_EQ(error.code, HN_NOT_FOUND);
}

TEST(WriteError, ACutTextStaysUtf8) {
  char text[8] = "";
  hn_error error{sizeof(hn_error), 0, text, 4, 0};
  hn::write_error(&error, HN_INTERNAL,
                  "ab\xE2\x98\x83");  // room for ab and one byte of the snowman
  EXPECT_STREQ(text, "ab");
  error.capacity = 6;
  hn::write_error(&error, HN_INTERNAL, "ab\xE2\x98\x83");
  EXPECT_STREQ(text, "ab\xE2\x98\x83");
}

TEST(WriteError, WhatArrivesIsUtf8) {
  char text[32] = "";
  hn_error error{sizeof(hn_error), 0, text, sizeof text, 0};
  const auto written = [&](std::string_view from) {
    hn::write_error(&error, HN_DATA_LOSS, from);
    EXPECT_EQ(error.length, std::strlen(text)) << text;
    return std::string(text);
  };
  EXPECT_EQ(written("got \"\xff\xe2\x98\""), "got \"\\xff\\xe2\\x98\"");
  EXPECT_EQ(written("\xed\xa0\x80"), "\\xed\\xa0\\x80") << "a surrogate";
  EXPECT_EQ(written(std::string_view("a\0b", 3)), "a\\x00b");
  EXPECT_EQ(written("\xe2\x98\x83 \xf0\x9f\x8e\x88"), "\xe2\x98\x83 \xf0\x9f\x8e\x88");
  EXPECT_EQ(written(""), "");
  // An escape that is cut leaves nothing, and nothing shorter comes behind it.
  error.capacity = 5;
  hn::write_error(&error, HN_DATA_LOSS,
                  "ab\xff"
                  "c");
  EXPECT_STREQ(text, "ab");
  EXPECT_EQ(error.length, 7u);
}

TEST(Check, TurnsAStatusBackIntoAnException) {
  hn::ErrorBuffer error;
  EXPECT_NO_THROW(hn::check(HN_OK, error));
  const hn_status status = hn::guard(error.get(), [] { throw hn::Error(HN_NOT_FOUND, "no file"); });
  try {
    hn::check(status, error, "loading");
    FAIL() << "expected hn::Error";
  } catch (const hn::Error& e) {
    EXPECT_EQ(e.code(), HN_NOT_FOUND);
    EXPECT_STREQ(e.what(), "loading: no file");
  }
  hn::ErrorBuffer silent;
  EXPECT_THROW(hn::check(HN_INTERNAL, silent), hn::Error);
}

struct Peer {
  std::uint32_t struct_size;
  std::uint32_t a;
  std::uint64_t b;
};

TEST(KnownPart, ReadsWhatTheShorterHas) {
  const Peer whole{sizeof(Peer), 7, 9};
  EXPECT_EQ(hn::known_part(&whole).b, 9u);
  Peer old = whole;
  old.struct_size = offsetof(Peer, b);
  EXPECT_EQ(hn::known_part(&old).a, 7u);
  EXPECT_EQ(hn::known_part(&old).b, 0u);
  EXPECT_EQ(hn::known_part(&old).struct_size, sizeof(Peer));
  struct {
    Peer known;
    std::uint64_t later;
  } newer{{24, 7, 9}, 11};
  EXPECT_EQ(hn::known_part(&newer.known).b, 9u);
  EXPECT_EQ(hn::known_part<Peer>(nullptr).a, 0u);
}

TEST(FillKnownPart, WritesWhatTheShorterHasAndKeepsItsSize) {
  Peer old{offsetof(Peer, b), 1, 2};
  hn::fill_known_part(&old, Peer{0, 7, 9});
  EXPECT_EQ(old.struct_size, offsetof(Peer, b));
  EXPECT_EQ(old.a, 7u);
  EXPECT_EQ(old.b, 2u);
  Peer none{0, 1, 2};
  hn::fill_known_part(&none, Peer{0, 7, 9});
  EXPECT_EQ(none.a, 1u);
}

TEST(Tensor, Texts) {
  EXPECT_EQ(hn::dtype_name(hn::kBFloat16), "bfloat16");
  EXPECT_EQ(hn::dtype_name(hn::kInt64), "int64");
  const std::int64_t shape[] = {-1, 3, -2};
  EXPECT_EQ(hn::shape_text(shape), "(B,3,*)");
  EXPECT_EQ(hn::shape_text({}), "()");
}

// A host whose every option is of the wrong type.
hn_status wrong_str(const hn_config*, const char*, hn_str*) { return HN_INVALID_ARGUMENT; }
hn_status missing_i64(const hn_config*, const char*, std::int64_t*) { return HN_NOT_FOUND; }

TEST(Config, AnOptionOfTheWrongTypeIsNamed) {
  hn_host_v1 host{};
  host.config_str = &wrong_str;
  host.config_i64 = &missing_i64;
  const hn::Config config(&host, nullptr);
  try {
    config.str("device", "cpu");
    FAIL() << "expected hn::Error";
  } catch (const hn::Error& e) {
    EXPECT_EQ(e.code(), HN_INVALID_ARGUMENT);
    EXPECT_NE(std::string(e.what()).find("device"), std::string::npos);
  }
  EXPECT_EQ(config.i64("steps", 4), 4);
}

}  // namespace
