//! Numbers of a user's file as grey levels, bytes of which 255 is white.

/// v ↦ round(255·v / white), where white is 1, 16 or 255: the least of them that no number exceeds. Errors: a number that is
/// negative, above 255 or none.
pub fn of_reals(values: &[f32]) -> Result<Vec<u8>, String> {
    let (mut most, mut wrong) = (0.0, None);
    for &v in values {
        if !(0.0..=255.0).contains(&v) {
            wrong = Some(v);
        }
        most = if v > most { v } else { most };
    }
    if let Some(v) = wrong {
        return Err(format!("holds the number {v}: grey levels run from 0 to 1, to 16 or to 255"));
    }
    let white = white(most);
    Ok(values.iter().map(|v| (v * (255.0 / white)).round() as u8).collect())
}

/// The same of bytes, in place.
pub fn of_bytes(bytes: &mut [u8]) {
    let white = white(bytes.iter().max().copied().unwrap_or(0).into());
    if white < 255.0 {
        bytes.iter_mut().for_each(|b| *b = (f32::from(*b) * (255.0 / white)).round() as u8);
    }
}

fn white(most: f32) -> f32 {
    if most <= 1.0 {
        1.0
    } else if most <= 16.0 {
        16.0
    } else {
        255.0
    }
}

/// Labels: whole numbers from 0 to 255.
pub fn labels(values: &[f32]) -> Result<Vec<u8>, String> {
    let label = |&v: &f32| {
        let whole = (0.0..=255.0).contains(&v) && v.fract() == 0.0;
        whole.then_some(v as u8).ok_or_else(|| format!("holds the label {v}: labels are whole numbers from 0 to 255"))
    };
    values.iter().map(label).collect()
}

/// \[height, width, channels\] of an example of so many numbers that has no shape: a grey square where they are one, else a
/// row.
pub fn shape(features: usize) -> [usize; 3] {
    let side = features.isqrt();
    if side * side == features { [side, side, 1] } else { [1, features, 1] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_number_says_what_is_white() {
        assert_eq!(of_reals(&[0.0, 0.5, 1.0]), Ok(vec![0, 128, 255]));
        assert_eq!(of_reals(&[0.0, 8.0, 16.0]), Ok(vec![0, 128, 255]));
        assert_eq!(of_reals(&[0.0, 17.0, 255.0]), Ok(vec![0, 17, 255]));
        for wrong in [-0.5, 256.0, f32::NAN, f32::INFINITY] {
            assert!(of_reals(&[0.0, wrong, 1.0]).unwrap_err().contains("0 to 1, to 16 or to 255"), "{wrong}");
        }
        let mut bytes = [0, 1, 1];
        of_bytes(&mut bytes);
        assert_eq!(bytes, [0, 255, 255]);
        assert_eq!(labels(&[0.0, 255.0]), Ok(vec![0, 255]));
        assert!([-1.0, 256.0, 0.5, f32::NAN].iter().all(|&v| labels(&[v]).is_err()));
        assert_eq!((shape(784), shape(10)), ([28, 28, 1], [1, 10, 1]));
    }
}
