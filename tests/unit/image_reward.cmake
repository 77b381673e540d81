# ImageReward: its tokenizer, its plugin through the ABI, and the image operations that it shares.
if(TARGET hn_safetensors)
  find_package(ZLIB REQUIRED)
  hn_add_test(NAME common_bert_tokenizer_test SOURCES unit/common_bert_tokenizer_test.cpp
    LIBS hn_tokenizers hn_json ZLIB::ZLIB LABELS unit golden)
endif()
