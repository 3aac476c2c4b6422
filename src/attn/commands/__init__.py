"""The commands, a module for each group; `attn.cli` joins them. Nothing here imports torch until a command compiles."""
