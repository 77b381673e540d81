// Prompt files, good and bad.
#include "config/prompts.hpp"
#include "files/image.hpp"
#include "unit/loader_support.hpp"

namespace hn::host {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::message_of;
using testing::TempFolder;
using testing::write_text;

class Prompts : public ::testing::Test {
 protected:
  std::vector<std::string> read(const std::string& name, const std::string& text) {
    write_text(folder_ / name, text);
    return core::texts_of(read_prompts(folder_ / name));
  }
  std::string refused(const std::string& name, const std::string& text) {
    return message_of(HN_INVALID_ARGUMENT, [&] { read(name, text); });
  }
  TempFolder folder_;
};

TEST_F(Prompts, Text) {
  EXPECT_THAT(read("a.txt", "a cat\n\nein Bär\r\n  spaces stay \nno end"),
              ElementsAre("a cat", "ein Bär", "  spaces stay ", "no end"));
  EXPECT_THAT(read("a",
                   "\xef\xbb\xbf"
                   "after a byte order mark\n"),
              ElementsAre("after a byte order mark"));
}

TEST_F(Prompts, Tsv) {
  EXPECT_THAT(read("a.tsv", "id\tprompt\tnote\n1\ta cat\tx\n\n2\ta dog\t\n"),
              ElementsAre("a cat", "a dog"));
  EXPECT_THAT(
      refused("a.tsv", "id\tpromt\n1\ta\n"),
      HasSubstr("a.tsv:1: expected a column 'prompt', got id, promt; did you mean 'promt'?"));
  EXPECT_THAT(refused("a.tsv", "id\tprompt\n1\ta\n2\n"),
              HasSubstr("a.tsv:3: expected 2 columns, got 1"));
  EXPECT_THAT(refused("a.tsv", "id\tprompt\n1\t \n"), HasSubstr("a.tsv:2: the prompt is empty"));
  EXPECT_THAT(refused("a.tsv", "prompt\n"), HasSubstr("no prompt in it"));
}

TEST_F(Prompts, JsonLines) {
  EXPECT_THAT(read("a.jsonl", "{\"prompt\": \"a \\\"cat\\\"\", \"x\": 1}\n\n{\"prompt\":\"b\"}\n"),
              ElementsAre("a \"cat\"", "b"));
  EXPECT_THAT(refused("a.jsonl", "{\"prompt\":\"a\"}\n{\"promt\":\"b\"}\n"),
              HasSubstr("a.jsonl:2: expected a text under \"prompt\""));
  EXPECT_THAT(refused("a.jsonl", "{\"prompt\":3}\n"), HasSubstr("a.jsonl:1:"));
  EXPECT_THAT(refused("a.jsonl", "[1]\n"), HasSubstr("expected a JSON object"));
  EXPECT_THAT(refused("a.jsonl", "{\"prompt\": \"cut\n"), HasSubstr("expected a JSON object"));
}

TEST_F(Prompts, JsonLinesCarryMore) {
  write_text(folder_ / "a.jsonl",
             "{\"prompt\": \"a cat\", \"negative\": \"a dog\", \"metadata\": {\"tag\": \"colors\", "
             "\"n\": [1, 2]}}\n{\"prompt\": \"b\", \"metadata\": null}\n");
  const auto prompts = read_prompts(folder_ / "a.jsonl");
  ASSERT_EQ(prompts.size(), 2u);
  EXPECT_EQ(prompts[0].negative, "a dog");
  EXPECT_EQ(prompts[0].json, R"({"n":[1,2],"tag":"colors"})");
  EXPECT_FALSE(prompts[0].has_tensors());
  EXPECT_EQ(prompts[1], core::Prompt("b"));
  EXPECT_THAT(refused("a.jsonl", "{\"prompt\":\"a\",\"metadata\":\"x\"}\n"),
              HasSubstr("a.jsonl:1: expected an object under \"metadata\""));
  EXPECT_THAT(refused("a.jsonl", "{\"prompt\":\"a\",\"negative\":3}\n"),
              HasSubstr("a.jsonl:1: expected a text under \"negative\""));
  EXPECT_THAT(message_of(HN_NOT_FOUND,
                         [&] { read("a.jsonl", "{\"prompt\":\"a\",\"image\":\"no.png\"}\n"); }),
              ::testing::AllOf(HasSubstr("a.jsonl:1:"), HasSubstr("no.png")));
}

TEST_F(Prompts, JsonLinesBringPictures) {
  Image picture{2, 1, {255, 0, 0, 0, 0, 255}};
  write_png(folder_ / "p.png", picture);
  write_text(folder_ / "a.jsonl",
             "{\"prompt\": \"a cat\", \"image\": \"p.png\", \"mask\": \"p.png\"}\n");
  const auto prompts = read_prompts(folder_ / "a.jsonl");
  ASSERT_TRUE(prompts.at(0).has_tensors());
  const auto& tensors = *prompts[0].tensors;
  ASSERT_EQ(tensors.size(), 2u);
  EXPECT_EQ(tensors[0].name, "image");
  EXPECT_THAT(tensors[0].tensor.shape, ElementsAre(3, 1, 2));
  EXPECT_THAT(tensors[0].tensor.data, ElementsAre(1, 0, 0, 0, 0, 1));
  EXPECT_EQ(tensors[1].name, "mask");
  EXPECT_THAT(tensors[1].tensor.shape, ElementsAre(1, 1, 2));
  EXPECT_FLOAT_EQ(tensors[1].tensor.data[0], 1.0f / 3);
}

TEST_F(Prompts, TablesMayHaveANegative) {
  write_text(folder_ / "a.tsv", "prompt\tnegative\na cat\ta dog\nb\t\n");
  const auto prompts = read_prompts(folder_ / "a.tsv");
  EXPECT_EQ(prompts.at(0).negative, "a dog");
  EXPECT_EQ(prompts.at(1).negative, "");
}

TEST_F(Prompts, TablesCarryMore) {
  write_png(folder_ / "p.png", Image{1, 1, {255, 0, 0}});
  write_text(folder_ / "a.csv",
             "prompt,image,metadata,prompt_image,mask\na cat,scored.png,\"{\"\"tag\"\": "
             "\"\"colors\"\"}\",p.png,p.png\nb,,,,\n");
  const auto prompts = read_prompts(folder_ / "a.csv");
  EXPECT_EQ(prompts.at(0).json, R"({"tag":"colors"})");
  ASSERT_TRUE(prompts[0].has_tensors()) << "the column image names a picture that is scored";
  EXPECT_THAT(prompts[0].tensors->at(0).tensor.data, ElementsAre(1, 0, 0));
  EXPECT_EQ(prompts[0].tensors->at(1).name, "mask");
  EXPECT_EQ(prompts.at(1), core::Prompt("b"));
  EXPECT_THAT(refused("a.csv", "prompt,metadata\na,[1]\n"),
              HasSubstr("a.csv:2: expected an object under \"metadata\""));
  EXPECT_THAT(refused("a.csv", "prompt,metadata\na,{\n"), HasSubstr("a.csv:2: metadata"));
  EXPECT_THAT(refused("a.csv", "prompt,mask,mask\na,x,y\n"),
              HasSubstr("expected one column 'mask', got two"));
  EXPECT_THAT(
      refused("a.jsonl", "{\"prompt\":\"a\",\"image\":\"p.png\",\"prompt_image\":\"p.png\"}\n"),
      HasSubstr("got both"));
}

TEST_F(Prompts, MissingEmptyOrForeign) {
  EXPECT_THAT(message_of(HN_NOT_FOUND, [&] { read_prompts(folder_ / "no.txt"); }),
              HasSubstr("no.txt: cannot be read: No such file"));
  EXPECT_THAT(message_of(HN_NOT_FOUND, [&] { read_prompts(folder_.path()); }),
              HasSubstr("it is a folder"));
  EXPECT_THAT(refused("a.txt", ""), HasSubstr("no prompt in it"));
  EXPECT_THAT(refused("a.txt", " \n\t\n"), HasSubstr("no prompt in it"));
  EXPECT_THAT(refused("a.txt", "good\nbad \xff\n"), HasSubstr("a.txt:2: not UTF-8"));
  EXPECT_THAT(refused("a.txt", std::string("a\nb\0c", 5)), HasSubstr("a.txt:2: a zero byte"));
}

TEST_F(Prompts, Csv) {
  EXPECT_THAT(read("a.csv", "\xef\xbb\xbfprompt,x\r\n\"a cat, red\",1\r\n'=dog,2\r\n"),
              ElementsAre("a cat, red", "'=dog"));
  EXPECT_THAT(read("s.csv", "image,prompt,clip,error\na.png,'=dog,0.5,\n"), ElementsAre("=dog"));
  EXPECT_THAT(refused("a.csv", "a cat\na dog\n"), HasSubstr("a.csv:1: expected a column 'prompt'"));
}

TEST_F(Prompts, EncodingsAndLineEnds) {
  EXPECT_THAT(read("a.txt", "a cat\ra dog\r"), ElementsAre("a cat", "a dog"));
  EXPECT_THAT(refused("a.txt", std::string("\xff\xfe"
                                           "a\0",
                                           4)),
              HasSubstr("a.txt:1: UTF-16"));
  EXPECT_THAT(refused("a.jsonl", "{\"prompt\": \"a\"}\n{\"prompt\": \"\xe9\"}"),
              HasSubstr("a.jsonl:2: not UTF-8"));
  EXPECT_THAT(refused("a.jsonl", "{\"prompt\": \"a\", \"prompt\": \"b\"}"), HasSubstr("twice"));
  EXPECT_THAT(refused("a.jsonl", "{\"prompt\": \"a\\u0000b\"}"), HasSubstr("a zero byte"));
}

}  // namespace
}  // namespace hn::host
