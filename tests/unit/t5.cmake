# T5: its tokenizers.
if(TARGET hn::text)
  find_package(ZLIB REQUIRED)
  hn_add_test(NAME text_t5_tokenizer_test SOURCES unit/text_t5_tokenizer_test.cpp LIBS hn::text hn::formats ZLIB::ZLIB LABELS unit)
endif()
