/** ln Γ(x) for x > 0 (Lanczos, g = 7, nine terms; relative error below 1e-14). */
export function logGamma(x: number): number {
  if (x < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * x)) - logGamma(1 - x);
  const shifted = x - 1;
  let sum = LANCZOS[0]!;
  for (let i = 1; i < LANCZOS.length; i++) sum += LANCZOS[i]! / (shifted + i);
  const t = shifted + 7.5;
  return 0.5 * Math.log(2 * Math.PI) + (shifted + 0.5) * Math.log(t) - t + Math.log(sum);
}

const LANCZOS = [
  0.999_999_999_999_809_93, 676.520_368_121_885_1, -1259.139_216_722_402_8, 771.323_428_777_653_13,
  -176.615_029_162_140_59, 12.507_343_278_686_905, -0.138_571_095_265_720_12, 9.984_369_578_019_571_6e-6,
  1.505_632_735_149_311_6e-7,
];

/**
 * P(X ≥ x) of a chi-square variable: the upper regularised incomplete gamma function Q(dof / 2, x / 2) by series or
 * continued fraction.
 */
export function chiSquareTail(x: number, dof: number): number {
  if (x <= 0) return 1;
  const a = dof / 2;
  const z = x / 2;
  const scale = Math.exp(a * Math.log(z) - z - logGamma(a));
  if (z < a + 1) {
    let term = 1 / a;
    let sum = term;
    for (let n = 1; n < 10_000 && term > sum * 1e-16; n++) {
      term *= z / (a + n);
      sum += term;
    }
    return Math.max(0, 1 - scale * sum);
  }
  // Lentz's continued fraction.
  const tiny = 1e-300;
  let b = z + 1 - a;
  let c = 1 / tiny;
  let d = 1 / b;
  let fraction = d;
  for (let n = 1; n < 10_000; n++) {
    const numerator = -n * (n - a);
    b += 2;
    d = 1 / nonZero(numerator * d + b, tiny);
    c = nonZero(b + numerator / c, tiny);
    fraction *= d * c;
    if (Math.abs(d * c - 1) < 1e-15) break;
  }
  return scale * fraction;
}

function nonZero(value: number, tiny: number): number {
  return Math.abs(value) < tiny ? tiny : value;
}

/**
 * P(Dₙ ≥ d) of the two-sided one-sample Kolmogorov–Smirnov distance. For n·d² ≥ 2.2 it is twice the exact one-sided
 * tail (Miller 1956), below that the series of Pelz and Good (1976) up to 1/n, with an error under 1e-3 for n ≥ 20
 * and p-values above 0.02. The choice between the two follows Simard and L'Ecuyer (2011).
 */
export function kolmogorovTail(n: number, d: number): number {
  if (d <= 0) return 1;
  if (d >= 1) return 0;
  const nd2 = n * d * d;
  if (nd2 >= 370) return 0;
  const tail = nd2 >= 2.2 ? 2 * smirnovTail(n, d) : 1 - pelzGood(n, Math.sqrt(nd2));
  return Math.min(1, Math.max(0, tail));
}

/** P(Dₙ⁺ ≥ d), exact (Birnbaum and Tingey 1951): d Σⱼ C(n, j) (d + j/n)^(j−1) (1 − d − j/n)^(n−j). */
function smirnovTail(n: number, d: number): number {
  const last = Math.floor(n * (1 - d));
  let sum = 0;
  let logChoose = 0;
  for (let j = 0; j <= last; j++) {
    const rest = 1 - d - j / n;
    if (rest > 0) sum += Math.exp(logChoose + (j - 1) * Math.log(d + j / n) + (n - j) * Math.log(rest));
    else if (j === n) sum += Math.exp((j - 1) * Math.log(d + 1));
    logChoose += Math.log((n - j) / (j + 1));
  }
  return d * sum;
}

/** P(√n·Dₙ ≤ z): K₀(z) + K₁(z)/√n + K₂(z)/n. */
function pelzGood(n: number, z: number): number {
  const pi2 = Math.PI ** 2;
  const z2 = z * z;
  const z4 = z2 * z2;
  const z6 = z4 * z2;
  const decay = -pi2 / (2 * z2);
  let k0 = 0;
  let k1 = 0;
  let k2Half = 0;
  let k2Whole = 0;
  for (let k = 0; k < 40; k++) {
    const h2 = (k + 0.5) ** 2;
    const half = 2 * Math.exp(decay * h2); // k and −k − 1 give the same square.
    k0 += half;
    k1 += half * (pi2 * h2 - z2);
    k2Half += half * (6 * z6 + 2 * z4 + pi2 * (2 * z4 - 5 * z2) * h2 + pi2 ** 2 * (1 - 2 * z2) * h2 * h2);
    k2Whole += 2 * Math.exp(decay * k * k) * pi2 * k * k;
  }
  const rootHalfPi = Math.sqrt(Math.PI / 2);
  const first = (rootHalfPi / z) * k0;
  const second = (rootHalfPi * k1) / (6 * z4);
  const third = (rootHalfPi * k2Half) / (72 * z6 * z) - (rootHalfPi * k2Whole) / (36 * z2 * z);
  return first + second / Math.sqrt(n) + third / n;
}
