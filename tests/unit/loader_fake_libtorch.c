/* Linked with a build id of its own and named libtorch_cpu.so: all that the loader looks at. */
int fake_libtorch(void) { return 0; }
