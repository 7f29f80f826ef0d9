// Partners' tokens times the slopes of a spline:
//     out[m, i, :] = 1/(N-1) * sum_{j != i} phi'(scores[m, i, j]) * tokens[m, j, :].
// One warp owns one row (m, i): blockDim = (32, rows), and no two threads write to the same place. Its slopes
// are computed once, into shared memory; then neighbouring threads take neighbouring coordinates of the
// tokens, which the rows of a sample find in the cache. DEGREE, of the slopes, and REAL, float or double, are
// fixed at compile time. `slopes[k * (DEGREE + 1) + q]` is the coefficient of t^q of phi' on cell k, in the
// local coordinate. The place of a score among the cells is computed in double precision: in single, half a
// thousand cells would leave four digits. The NumPy twin is pair_moments in moments.py.

#ifndef DEGREE
#define DEGREE 2
#endif
#ifndef REAL
#define REAL double
#endif

extern "C" __global__ void pair_moments(const REAL* scores, const REAL* tokens, const REAL* slopes, REAL* out,
                                        long long n_rows, int n_tokens, int d, int n_intervals,
                                        double lower, double upper)
{
    extern __shared__ REAL shared[];
    const long long row = (long long)blockIdx.x * blockDim.y + threadIdx.y;
    const bool mine = row < n_rows;  // the last block may be larger than what is left; all threads meet below
    REAL* weights = shared + threadIdx.y * n_tokens;
    const double scale = n_intervals / (upper - lower);

    if (mine) {
        const int self = (int)(row % n_tokens);
        const double factor = scale / (n_tokens - 1);
        for (int j = threadIdx.x; j < n_tokens; j += blockDim.x) {
            const double position = ((double)scores[row * n_tokens + j] - lower) * scale;
            // Written so that NaN goes to cell 0, with a coordinate that stays NaN: it spoils its own row only.
            const double inside =
                position > 0.0 ? (position < n_intervals ? position : (double)n_intervals) : 0.0;
            int cell = (int)inside;
            if (cell > n_intervals - 1) cell = n_intervals - 1;
            const REAL t = position == position ? (REAL)(inside - cell) : (REAL)position;
            const REAL* p = slopes + (long long)cell * (DEGREE + 1);
            REAL value = p[DEGREE];
            for (int q = DEGREE - 1; q >= 0; --q) value = value * t + p[q];
            if (position != position) value = (REAL)position;
            weights[j] = j == self ? (REAL)0 : (REAL)(value * factor);
        }
    }
    __syncthreads();
    if (!mine) return;

    const REAL* x = tokens + row / n_tokens * n_tokens * d;
    for (int k = threadIdx.x; k < d; k += blockDim.x) {
        REAL sum = 0;
        for (int j = 0; j < n_tokens; ++j) sum += weights[j] * x[(long long)j * d + k];
        out[row * d + k] = sum;
    }
}
