# Adds to an author's manifest what only the build knows. Called by hn_add_plugin.
file(SHA256 ${LIBRARY} sha256)
get_filename_component(file ${LIBRARY} NAME)
file(READ ${MANIFEST} text)
if(NOT text MATCHES "\nkind *= *\"${KIND}\"")
  message(FATAL_ERROR "${MANIFEST}: expected kind = \"${KIND}\" as in hn_add_plugin")
endif()
string(APPEND text "
[abi]
major = 1
min_minor = 0

[library.linux-x86_64]
file = \"${file}\"
sha256 = \"${sha256}\"

[requires]
libtorch = \"${LIBTORCH}\"
")
set(old "")
if(EXISTS ${OUT})
  file(READ ${OUT} old)
endif()
if(NOT old STREQUAL text)
  file(WRITE ${OUT}.tmp "${text}")
  file(RENAME ${OUT}.tmp ${OUT})
endif()
