//! Models of every kind, as graphs against what diffusers computed, and as files in every layout.

#[path = "../common/mod.rs"]
mod common;

mod byte_frames;
mod convert;
mod convert_smaller;
mod exported_images;
mod exported_model;
mod gguf;
mod graph_parity;
mod known_experts;
mod lasting_ids;
mod layout_faults;
mod layout_names;
mod layout_parts;
mod layouts;
mod lora;
mod lora_files;
mod lora_methods;
mod lora_quantised;
mod narrowed;
mod other_files;
mod providers;
mod quantised_forms;
mod removal;
mod roles;
mod rtx_sizes;
mod streamed;
mod transfer;
mod wan_host;
mod webgpu;
