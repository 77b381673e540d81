// Carries the shared precompiled header; nothing else belongs here.
