# T5: its tokenizers.
if(TARGET hn_tokenizers)
  find_package(ZLIB REQUIRED)
  hn_add_test(NAME common_t5_tokenizer_test SOURCES unit/common_t5_tokenizer_test.cpp LIBS hn_tokenizers hn_json ZLIB::ZLIB LABELS unit)
endif()
