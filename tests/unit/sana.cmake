# The SANA-Sprint generator: parity with the references, then the plugin through its ABI.
if(TARGET hn_sana_model)
  hn_add_test(NAME sana_golden_test SOURCES golden/sana_sprint/golden_test.cpp LIBS hn_sana_model TORCH LABELS golden TIMEOUT 600)
endif()
