/* Entries with one property each; FAKE_<VARIANT> chooses. They are checked, never created. */
#include <hn/plugin.h>

__attribute__((unused)) static hn_status HN_CALL create(const hn_host_v1* host,
                                                        const hn_config* config, hn_instance** out,
                                                        hn_error* error) {
  (void)host;
  (void)config;
  (void)error;
  *out = NULL;
  return HN_UNSUPPORTED;
}
__attribute__((unused)) static void HN_CALL destroy(hn_instance* instance) { (void)instance; }
__attribute__((unused)) static const void* HN_CALL get_interface(hn_instance* instance,
                                                                 const char* id) {
  (void)instance;
  (void)id;
  return NULL;
}

#if defined(FAKE_SHORT)
#define SIZE 40u
#else
#define SIZE (uint32_t)sizeof(hn_plugin_v1)
#endif
#if defined(FAKE_NEWER_MINOR)
#define MINOR (HN_ABI_MINOR + 1u)
#else
#define MINOR 0u
#endif
#if defined(FAKE_FLAGGED)
#define FLAGS 4u
#else
#define FLAGS 0u
#endif
#if defined(FAKE_OTHER_ID)
#define ID HN_STR("test.reward.other")
#else
#define ID HN_STR("test.reward.fake")
#endif
#if defined(FAKE_OTHER_VERSION)
#define VERSION HN_STR("9.9.9")
#else
#define VERSION HN_STR("1.2.3")
#endif
#if defined(FAKE_NO_CREATE)
#define CREATE NULL
#else
#define CREATE create
#endif

#if defined(FAKE_NO_ENTRY)
HN_EXPORT int some_other_symbol = 1;
#elif defined(FAKE_FUNCTION_ENTRY)
/* Under the entry's name, which the header declares as what it should be. */
HN_EXPORT const void* function_entry(void) __asm__("hn_plugin_entry_v1");
HN_EXPORT const void* function_entry(void) { return NULL; }
#elif defined(FAKE_LONG)
/* As a plugin of a later minor would export it: known fields first, more behind them. */
typedef struct long_entry {
  hn_plugin_v1 known;
  void (*later[4])(void);
} long_entry;
HN_EXPORT extern const long_entry later_entry __asm__("hn_plugin_entry_v1");
const long_entry later_entry = {{(uint32_t)sizeof(long_entry), HN_ABI_MAJOR, 0u, 0u, ID, VERSION,
                                 create, destroy, get_interface, HN_ABI_MINOR, 0u, NULL},
                                {NULL}};
#else
const hn_plugin_v1 hn_plugin_entry_v1 = {
    SIZE,   HN_ABI_MAJOR, MINOR,         FLAGS,        ID, VERSION,
    CREATE, destroy,      get_interface, HN_ABI_MINOR, 0u, NULL};
#endif
