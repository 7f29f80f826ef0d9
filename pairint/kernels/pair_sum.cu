// Sums of B-spline basis functions over token pairs:
//     out[m, i, k] = 1/(N-1) * sum_{j != i} B_k(scores[m, i, j]).
// One thread owns one row (m, i), so no two threads write to the same place. A block takes blockDim.x rows that
// follow each other: it reads their scores in tiles of TILE columns, neighbouring threads from neighbouring
// addresses; keeps its sums in shared memory, [k * blockDim.x + thread], where threads that add to the same k
// meet no bank conflict; and writes four neighbouring sums by four neighbouring threads (blockDim.x is a
// multiple of 4). Where K + s sums a row do not fit (SHARED_SUMS 0), they stay in `out`.
// Fixed at compile time: DEGREE; REAL, float or double; and PIECES and SLOPES, the local polynomials and their
// derivatives, [l][p] for t^p of piece l, as literals. The place of a score among the cells is computed in
// double precision: in single, half a thousand cells would leave four digits.
// The NumPy twin is pair_basis_sum in pair_sum.py.

#ifndef TILE
#define TILE 8
#endif
#ifndef SHARED_SUMS
#define SHARED_SUMS 1
#endif

extern "C" __global__ void pair_basis_sum(const REAL* scores, REAL* out, long long n_rows, int n_tokens,
                                          int n_intervals, double lower, double upper)
{
    extern __shared__ REAL shared[];
    constexpr REAL pieces[DEGREE + 1][DEGREE + 1] = PIECES;
    constexpr REAL slopes[DEGREE + 1][DEGREE + 1] = SLOPES;

    const int size = blockDim.x, thread = threadIdx.x;
    const int n_basis = n_intervals + DEGREE;
    const long long first = (long long)blockIdx.x * size, row = first + thread;
    const int n_here = n_rows - first < size ? (int)(n_rows - first) : size;
    const double scale = n_intervals / (upper - lower);
    const REAL weight = (REAL)(1.0 / (n_tokens - 1));
    const int self = (int)(row % n_tokens);

    REAL* tile = shared;  // [row * (TILE + 1) + column]: the odd length spreads a column over the banks
#if SHARED_SUMS
    REAL* sums = shared + size * (TILE + 1) + thread;
    const int stride = size;
#else
    REAL* sums = out + row * n_basis;
    const int stride = 1;
#endif
    if (thread < n_here)
        for (int k = 0; k < n_basis; ++k) sums[k * stride] = 0;

    for (int start = 0; start < n_tokens; start += TILE) {
        const int width = n_tokens - start < TILE ? n_tokens - start : TILE;
        __syncthreads();  // the tile before has been read
        for (int e = thread; e < n_here * width; e += size)
            tile[e / width * (TILE + 1) + e % width] = scores[(first + e / width) * n_tokens + start + e % width];
        __syncthreads();
        for (int j = 0; j < width && thread < n_here; ++j) {
            if (start + j == self) continue;
            const double position = ((double)tile[thread * (TILE + 1) + j] - lower) * scale;
            // Written so that NaN goes to cell 0: it spoils its own row, and no memory outside it.
            const double inside =
                position > 0.0 ? (position < n_intervals ? position : (double)n_intervals) : 0.0;
            int cell = (int)inside;
            if (cell > n_intervals - 1) cell = n_intervals - 1;
            const REAL t = (REAL)(inside - cell);
#pragma unroll
            for (int l = 0; l <= DEGREE; ++l) {
                REAL value = pieces[l][DEGREE];
#pragma unroll
                for (int q = DEGREE - 1; q >= 0; --q) value = value * t + pieces[l][q];
                sums[(cell + l) * stride] += value;
            }
            if (position != inside) {  // seldom: linear continuation
                const REAL beyond = (REAL)(position - inside);
#pragma unroll
                for (int l = 0; l <= DEGREE; ++l) {
                    REAL slope = slopes[l][DEGREE];
#pragma unroll
                    for (int q = DEGREE - 1; q >= 0; --q) slope = slope * t + slopes[l][q];
                    sums[(cell + l) * stride] += slope * beyond;
                }
            }
        }
    }

#if SHARED_SUMS
    __syncthreads();
    const REAL* all = shared + size * (TILE + 1);
    for (int r = thread / 4; r < n_here; r += size / 4)
        for (int k = thread % 4; k < n_basis; k += 4) out[(first + r) * n_basis + k] = weight * all[k * size + r];
#else
    if (thread < n_here)
        for (int k = 0; k < n_basis; ++k) sums[k] *= weight;
#endif
}
