//! Sound in a room: convolution with its impulse response.

use realfft::RealFftPlanner;

/// `samples` in the room with this impulse response, with the reverberation after their end. Speech stays where it is.
pub fn in_room(samples: &[f32], response: &[f32]) -> Vec<f32> {
    convolved(samples, direct_on(response))
}

/// An impulse response from its direct sound on, so that speech stays where it is.
fn direct_on(response: &[f32]) -> &[f32] {
    let peak = (0..response.len()).max_by(|a, b| response[*a].abs().total_cmp(&response[*b].abs())).unwrap_or(0);
    &response[peak..]
}

/// `samples` in a room, with the reverberation after their end.
fn convolved(samples: &[f32], response: &[f32]) -> Vec<f32> {
    let length = samples.len() + response.len();
    let size = length.next_power_of_two();
    let mut planner = RealFftPlanner::<f32>::new();
    let (forward, inverse) = (planner.plan_fft_forward(size), planner.plan_fft_inverse(size));
    let spectrum = |of: &[f32]| {
        let mut padded = of.to_vec();
        padded.resize(size, 0.0);
        let mut out = forward.make_output_vec();
        forward.process(&mut padded, &mut out).map(|()| out)
    };
    let (Ok(mut product), Ok(other)) = (spectrum(samples), spectrum(response)) else { return samples.to_vec() };
    product.iter_mut().zip(&other).for_each(|(a, b)| *a *= b / size as f32);
    let mut sound = inverse.make_output_vec();
    if inverse.process(&mut product, &mut sound).is_err() {
        return samples.to_vec();
    }
    sound.truncate(length);
    sound
}
