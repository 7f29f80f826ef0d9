// Sums of B-spline basis functions over token pairs:
//     out[m, i, k] = 1/(N-1) * sum_{j != i} B_k(scores[m, i, j]).
// One thread owns one row (m, i), so no two threads write to the same place. DEGREE is fixed at
// compile time; `pieces` holds the local polynomials, [l * (DEGREE + 1) + p] for t^p of piece l.
// The NumPy twin is pair_basis_sum in pair_sum.py.

#ifndef DEGREE
#define DEGREE 3
#endif

extern "C" __global__ void pair_basis_sum(const double* scores, const double* pieces, double* out,
                                          long long n_rows, int n_tokens, int n_intervals,
                                          double lower, double upper)
{
    const long long row = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= n_rows) return;

    const int self = (int)(row % n_tokens);
    const int n_basis = n_intervals + DEGREE;
    const double scale = n_intervals / (upper - lower);
    const double weight = 1.0 / (n_tokens - 1);
    const double* u = scores + row * n_tokens;
    double* sums = out + row * n_basis;

    for (int k = 0; k < n_basis; ++k) sums[k] = 0.0;
    for (int j = 0; j < n_tokens; ++j) {
        if (j == self) continue;
        const double position = (u[j] - lower) * scale;
        // Written so that NaN goes to cell 0: it spoils its own row, and no memory outside it.
        const double inside = position > 0.0 ? (position < n_intervals ? position : (double)n_intervals) : 0.0;
        int cell = (int)inside;
        if (cell > n_intervals - 1) cell = n_intervals - 1;
        const double t = inside - cell;
        const double beyond = position - inside;  // zero unless the score lies outside: linear continuation
        for (int l = 0; l <= DEGREE; ++l) {
            const double* p = pieces + l * (DEGREE + 1);
            double value = p[DEGREE], slope = 0.0;
            for (int q = DEGREE - 1; q >= 0; --q) {
                slope = slope * t + value;
                value = value * t + p[q];
            }
            sums[cell + l] += weight * (value + slope * beyond);
        }
    }
}
