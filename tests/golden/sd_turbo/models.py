"""The random configurations of the SD-Turbo goldens. They differ in every field that changes the computation."""

CROSS, PLAIN = ("CrossAttnDownBlock2D", "CrossAttnUpBlock2D"), ("DownBlock2D", "UpBlock2D")


def blocks(*kinds):
    """Block types of the way down, and of the way up at the same resolutions."""
    return dict(down_block_types=tuple(k[0] for k in kinds), up_block_types=tuple(k[1] for k in reversed(kinds)))


def vae_blocks(n):
    return dict(down_block_types=("DownEncoderBlock2D",) * n, up_block_types=("UpDecoderBlock2D",) * n)


TURBO = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", timestep_spacing="trailing", steps_offset=1)

MODELS = {
    # SD-Turbo in small: linear projections, heads by list, the published scheduler. Stored as float16.
    "plain": dict(
        latents=(8, 8), batch=2, targets=["all-linear"], rank=4, scheduler=TURBO, tile=4,
        unet=dict(sample_size=8, block_out_channels=(4, 8), layers_per_block=1, attention_head_dim=(1, 2), cross_attention_dim=8,
            norm_num_groups=2, use_linear_projection=True, **blocks(CROSS, PLAIN)),
        vae=dict(block_out_channels=(4, 8), layers_per_block=1, norm_num_groups=2, latent_channels=4, sample_size=16, **vae_blocks(2)),
        text=dict(hidden_size=8, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2, hidden_act="gelu"), length=16),
    # Three resolutions whose numbers do not halve evenly, convolutional projections, several layers, v prediction, leading steps; LoRA on every layer.
    "odd": dict(
        latents=(6, 10), batch=2, targets=["all-linear", "all-conv"], rank=2,
        scheduler=dict(TURBO, prediction_type="v_prediction", timestep_spacing="leading", steps_offset=1),
        unet=dict(sample_size=(6, 10), in_channels=3, out_channels=3, block_out_channels=(8, 8, 16), layers_per_block=(1, 2, 1), attention_head_dim=(2, 1, 4),
            cross_attention_dim=12, norm_num_groups=4, transformer_layers_per_block=(1, 2, 1), use_linear_projection=False, act_fn="silu",
            mid_block_scale_factor=1.5, **blocks(CROSS, CROSS, CROSS)),
        vae=dict(block_out_channels=(4, 8, 8), layers_per_block=2, norm_num_groups=4, latent_channels=3, sample_size=24, use_quant_conv=False,
            use_post_quant_conv=False, mid_block_add_attention=False, scaling_factor=0.7, **vae_blocks(3)),
        text=dict(hidden_size=12, intermediate_size=20, num_hidden_layers=3, num_attention_heads=3, hidden_act="quick_gelu"), length=20),
    # Four resolutions, plain blocks first, scale-and-shift residual blocks, other activations, a plain middle, linspace.
    "deep": dict(
        latents=(8, 8), batch=2, targets=["to_q", "to_v", "conv2", "time_emb_proj", "linear_1", "proj_in"], rank=3,
        scheduler=dict(num_train_timesteps=500, beta_start=0.001, beta_end=0.02, beta_schedule="linear", timestep_spacing="linspace",
            prediction_type="v_prediction"),
        unet=dict(sample_size=8, block_out_channels=(6, 6, 12, 12), layers_per_block=1, attention_head_dim=3, cross_attention_dim=10, norm_num_groups=3,
            norm_eps=1e-3, resnet_time_scale_shift="scale_shift", act_fn="mish", time_embedding_dim=20, flip_sin_to_cos=False, freq_shift=1,
            conv_in_kernel=1, conv_out_kernel=5, mid_block_type="UNetMidBlock2D", only_cross_attention=(False, True, False, True),
            **blocks(PLAIN, CROSS, CROSS, PLAIN)),
        vae=dict(block_out_channels=(4, 4), layers_per_block=2, norm_num_groups=1, latent_channels=4, sample_size=16, act_fn="gelu", scaling_factor=0.3,
            **vae_blocks(2)),
        text=dict(hidden_size=10, intermediate_size=12, num_hidden_layers=1, num_attention_heads=1, hidden_act="gelu_new", layer_norm_eps=1e-3), length=12),
    # No middle, centred input, padding on one side, activations around the time embedding, the smallest sigma at the end; a VAE that keeps the size.
    "bare": dict(
        latents=(8, 16), batch=2, targets=[r"re:(down|up)_blocks\.1\..*(to_k|ff\.net\.2|conv_shortcut)|conv_in|conv_out"], rank=2,
        scheduler=dict(TURBO, beta_schedule="linear", timestep_spacing="trailing", final_sigmas_type="sigma_min"),
        unet=dict(sample_size=8, in_channels=5, out_channels=5, block_out_channels=(4, 8), layers_per_block=2, attention_head_dim=2, cross_attention_dim=8,
            norm_num_groups=4, mid_block_type=None, center_input_sample=True, downsample_padding=0, time_embedding_act_fn="gelu",
            timestep_post_act="silu", act_fn="swish", **blocks(PLAIN, CROSS)),
        vae=dict(block_out_channels=(6,), layers_per_block=1, norm_num_groups=3, latent_channels=5, sample_size=8, use_post_quant_conv=False, act_fn="relu",
            scaling_factor=1.3, **vae_blocks(1)),
        text=dict(hidden_size=8, intermediate_size=8, num_hidden_layers=2, num_attention_heads=4, hidden_act="gelu"), length=77),
    # FLUX's kind of autoencoder (16 channels, a shift, no outer convolutions), three samples that share two prompts, another depth on the way up.
    "wide": dict(
        latents=(8, 12), batch=3, tile=8, targets=["attn1", "re:.*attn1.to_.*", "conv_out"][1:], rank=8,
        scheduler=dict(TURBO, prediction_type="epsilon", timestep_spacing="linspace"),
        unet=dict(sample_size=(8, 12), in_channels=16, out_channels=16, block_out_channels=(8, 16), layers_per_block=1, attention_head_dim=4, cross_attention_dim=16,
            norm_num_groups=8, transformer_layers_per_block=(1, 2), reverse_transformer_layers_per_block=(1, 1), only_cross_attention=True,
            act_fn="gelu", **blocks(CROSS, CROSS)),
        vae=dict(block_out_channels=(8, 8), layers_per_block=1, norm_num_groups=4, latent_channels=16, sample_size=16, use_quant_conv=False,
            use_post_quant_conv=False, scaling_factor=0.3611, shift_factor=0.1159, **vae_blocks(2)),
        text=dict(hidden_size=16, intermediate_size=40, num_hidden_layers=2, num_attention_heads=2, hidden_act="gelu"), length=24),
}
# Schedules alone: what no model above has, and what would drown a float32 comparison of pictures (a first sigma of 4096).
SCHEDULERS = {
    "zero_snr": dict(TURBO, rescale_betas_zero_snr=True, prediction_type="v_prediction"),
    "zero_snr_linear": dict(num_train_timesteps=400, beta_schedule="linear", rescale_betas_zero_snr=True, timestep_spacing="linspace"),
    "leading": dict(TURBO, timestep_spacing="leading", steps_offset=0, final_sigmas_type="sigma_min"),
    "trailing_odd": dict(num_train_timesteps=777, timestep_spacing="trailing"),
}
PROMPTS = ["a red apple", "  Two BLUE cats, on a green!! Background: one dog's left of them & a donut (yellow)  "]
STEPS = (1, 2, 4)
