"""Samplers: the teacher's ODE, SANA-Sprint's SCM steps, and the trajectories from which the student learns."""

import math

import torch

from model import Text, join_texts, velocity

GUIDANCE_SCALE = 2.5  # classifier-free guidance of the teacher
GUIDED_ABOVE = 0.3  # noise level down to which trajectories are guided
# Noise levels of a trajectory. They contain those of one-, two- and four-step sampling, which are kept.
TRAJECTORY_LEVELS = (1.0, 0.94, 0.87, 0.7827, 0.7071, 0.5, 0.2929, 0.0)
KEPT_LEVELS = (1.0, 0.7827, 0.7071, 0.5, 0.2929)


def guided_velocity(transformer, noisy: torch.Tensor, level: float, text: Text, no_text: Text) -> torch.Tensor:
    """Velocity extrapolated away from that of the empty caption; both are computed in one batch."""
    both = join_texts(text, no_text.expand(len(noisy)))
    with_text, without = velocity(transformer, torch.cat([noisy, noisy]), level, both).float().chunk(2)
    return without + GUIDANCE_SCALE * (with_text - without)


@torch.no_grad()
def ode_sample(
    transformer, noise: torch.Tensor, text: Text, no_text: Text, steps: int = 16, shift: float = 1.5
) -> torch.Tensor:
    """Euler steps from noise to latents, finer near the noise (shift > 1): the teacher's sampler."""
    levels = torch.linspace(1, 0, steps + 1)
    levels = shift * levels / (1 + (shift - 1) * levels)
    state = noise
    for level, following in zip(levels.tolist(), levels[1:].tolist()):
        state = state - (level - following) * guided_velocity(transformer, state, level, text, no_text)
    return state


@torch.no_grad()
def trajectory(transformer, noise: torch.Tensor, text: Text, no_text: Text) -> torch.Tensor:
    """Second-order Adams-Bashforth ODE. -> [B, len(KEPT_LEVELS) + 1, ...]: states at KEPT_LEVELS, then the end."""
    state, kept, previous = noise, [], None
    for level, following in zip(TRAJECTORY_LEVELS, TRAJECTORY_LEVELS[1:]):
        if level in KEPT_LEVELS:
            kept.append(state)
        size = level - following
        if level > GUIDED_ABOVE:
            slope = guided_velocity(transformer, state, level, text, no_text)
        else:
            slope = velocity(transformer, state, level, text).float()
        corrected = slope
        if previous is not None:
            last_slope, last_size = previous
            corrected = slope + size / (2 * last_size) * (slope - last_slope)
        state = state - size * corrected
        previous = (slope, size)
    return torch.stack([*kept, state], 1)


@torch.no_grad()
def scm_sample(
    transformer, noise: torch.Tensor, text: Text, steps: int = 1, generator: torch.Generator | None = None
) -> torch.Tensor:
    """What SanaSprintPipeline does, on unit-variance latents (its sigma_data cancels)."""
    angles = {1: [1.5708, 0.0], 2: [1.5708, 1.3, 0.0]}.get(steps) or torch.linspace(1.5708, 0, steps + 1).tolist()
    state = clean = noise
    for angle, following in zip(angles, angles[1:]):
        level = math.sin(angle) / (math.cos(angle) + math.sin(angle))
        noisy = state * math.sqrt(level**2 + (1 - level) ** 2)
        clean = noisy - level * velocity(transformer, noisy, level, text).float()
        if following > 0:
            fresh = torch.randn(noise.shape, generator=generator)
            state = math.cos(following) * clean + math.sin(following) * fresh
    return clean
