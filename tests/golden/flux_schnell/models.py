"""The random configurations of the FLUX goldens. They differ in every field that changes the computation."""


def vae_blocks(n):
    return dict(down_block_types=("DownEncoderBlock2D",) * n, up_block_types=("UpDecoderBlock2D",) * n)


MODELS = {
    # FLUX.1-schnell in small: 16 latent channels, gated GELU, shift 1. Stored whole, by save_pretrained in bfloat16.
    "plain": dict(
        latents=(4, 6), batch=2, targets=["all-linear"], rank=4, guidance=3.5, tokens=12, tokenizer=("tiny", "spiece.model", 10), scheduler=dict(shift=1.0),
        transformer=dict(in_channels=16, num_layers=1, num_single_layers=1, attention_head_dim=6, num_attention_heads=2, joint_attention_dim=8,
            pooled_projection_dim=8, axes_dims_rope=(2, 2, 2)),
        vae=dict(block_out_channels=(4, 4), layers_per_block=1, norm_num_groups=2, latent_channels=4, sample_size=16, use_quant_conv=False,
            use_post_quant_conv=False, scaling_factor=0.3611, shift_factor=0.1159, **vae_blocks(2)),
        clip=dict(hidden_size=8, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, hidden_act="quick_gelu"), length=16,
        t5=dict(d_model=8, d_kv=4, d_ff=12, num_layers=1, num_heads=2, feed_forward_proj="gated-gelu")),
    # More blocks and heads, three samples that share two prompts, guidance embedding, static shift; T5 with other buckets and a plain ReLU.
    "guided": dict(
        latents=(6, 4), batch=3, targets=["to_q", "add_k_proj", "proj_mlp", "norm1.linear", "re:time_text_embed.*"], rank=2, guidance=2.0, tokens=20,
        tokenizer=("t5", "tokenizer.json", 100), scheduler=dict(shift=3.0, num_train_timesteps=500),
        transformer=dict(in_channels=64, num_layers=2, num_single_layers=3, attention_head_dim=8, num_attention_heads=3, joint_attention_dim=12,
            pooled_projection_dim=10, guidance_embeds=True, axes_dims_rope=(2, 4, 2)),
        vae=dict(block_out_channels=(4, 4, 8), layers_per_block=2, norm_num_groups=4, latent_channels=16, sample_size=32, use_quant_conv=True,
            use_post_quant_conv=False, scaling_factor=0.5, **vae_blocks(3)),
        clip=dict(hidden_size=10, intermediate_size=12, num_hidden_layers=2, num_attention_heads=1, hidden_act="gelu"), length=77,
        t5=dict(d_model=12, d_kv=3, d_ff=16, num_layers=3, num_heads=4, relative_attention_num_buckets=8, relative_attention_max_distance=10,
            feed_forward_proj="relu", layer_norm_epsilon=1e-3)),
    # Double blocks alone, exponential dynamic shifting with small pictures as its base; an ungated GELU, heads wider than the model.
    "double": dict(
        latents=(8, 8), batch=2, targets=["all-linear"], rank=3, guidance=3.5, tokens=9, tokenizer=("t5", "spiece.model", 100),
        scheduler=dict(use_dynamic_shifting=True, base_shift=0.3, max_shift=1.4, base_image_seq_len=4, max_image_seq_len=64),
        transformer=dict(in_channels=12, num_layers=3, num_single_layers=0, attention_head_dim=10, num_attention_heads=2, joint_attention_dim=6,
            pooled_projection_dim=12, axes_dims_rope=(4, 2, 4)),
        vae=dict(block_out_channels=(6,), layers_per_block=1, norm_num_groups=3, latent_channels=3, sample_size=8, use_quant_conv=True,
            use_post_quant_conv=True, scaling_factor=1.5, shift_factor=-0.3, **vae_blocks(1)),
        clip=dict(hidden_size=12, intermediate_size=16, num_hidden_layers=1, num_attention_heads=3, hidden_act="gelu"), length=10,
        t5=dict(d_model=6, d_kv=8, d_ff=10, num_layers=2, num_heads=2, relative_attention_num_buckets=16, relative_attention_max_distance=20,
            feed_forward_proj="gelu")),
    # Single blocks alone, one head, linear dynamic shifting; LoRA on the outer layers.
    "single": dict(
        latents=(2, 10), batch=2, targets=["x_embedder", "context_embedder", "norm.linear", "proj_out", "to_v"], rank=5, guidance=3.5, tokens=30,
        tokenizer=("tiny", "spiece.model", 50),
        scheduler=dict(use_dynamic_shifting=True, time_shift_type="linear", base_shift=0.6, max_shift=1.3),
        transformer=dict(in_channels=20, num_layers=0, num_single_layers=4, attention_head_dim=16, num_attention_heads=1, joint_attention_dim=10,
            pooled_projection_dim=8, axes_dims_rope=(8, 4, 4)),
        vae=dict(block_out_channels=(4, 8), layers_per_block=1, norm_num_groups=1, latent_channels=5, sample_size=8, use_quant_conv=False,
            use_post_quant_conv=True, mid_block_add_attention=False, act_fn="gelu", scaling_factor=0.8, shift_factor=0.2, **vae_blocks(2)),
        clip=dict(hidden_size=8, intermediate_size=8, num_hidden_layers=2, num_attention_heads=4, hidden_act="gelu_new", layer_norm_eps=1e-3), length=24,
        t5=dict(d_model=10, d_kv=5, d_ff=8, num_layers=1, num_heads=1, feed_forward_proj="gated-silu")),
    # A larger picture, long text, T5's published bucket numbers over distances above 128, LoRA by a regular expression.
    "long": dict(
        latents=(10, 12), batch=2, targets=[r"re:(single_)?transformer_blocks\.\d+\.(attn\.(to_k|to_add_out|to_out\.0)|ff\.net\.2|ff_context\.net\.0\.proj)"], rank=1,
        guidance=3.5, tokens=200, tokenizer=("t5", "tokenizer.json", 100), scheduler=dict(shift=0.7),
        transformer=dict(in_channels=8, num_layers=2, num_single_layers=1, attention_head_dim=8, num_attention_heads=4, joint_attention_dim=16,
            pooled_projection_dim=16, axes_dims_rope=(2, 2, 4)),
        vae=dict(block_out_channels=(8, 8), layers_per_block=1, norm_num_groups=8, latent_channels=2, sample_size=16, use_quant_conv=False,
            use_post_quant_conv=False, act_fn="mish", scaling_factor=0.4, shift_factor=0.05, **vae_blocks(2)),
        clip=dict(hidden_size=16, intermediate_size=20, num_hidden_layers=2, num_attention_heads=2, hidden_act="quick_gelu"), length=32,
        t5=dict(d_model=16, d_kv=4, d_ff=24, num_layers=2, num_heads=3, feed_forward_proj="gated-gelu", layer_norm_epsilon=1e-5)),
}
PROMPTS = ["a red apple", "  Two BLUE cats, on a green!! Background: one dog's left of them & a donut (yellow)  "]
STEPS = (1, 2, 4)
