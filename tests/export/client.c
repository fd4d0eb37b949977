/* A client without Python: predicts a glass with an export through TensorFlow's C API.

   client EXPORT OUTPUT_OPERATION OUTPUT_INDEX < GLASS

   GLASS is text: N, nine numbers of the cell, three of pbc (0 or 1), then a line an atom: atomic number, x, y, z.
   Prints one barrier (eV) a line; where the call fails, TensorFlow's message goes to stderr and the status is 1. */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <tensorflow/c/c_api.h>

#define INPUTS 4

static void check(const TF_Status *status) {
  if (TF_GetCode(status) == TF_OK) return;
  fprintf(stderr, "%s\n", TF_Message(status));
  exit(1);
}

static TF_Tensor *tensor(TF_DataType type, const int64_t *shape, int rank) {
  size_t size = TF_DataTypeSize(type);
  for (int k = 0; k < rank; k++) size *= (size_t)shape[k];
  return TF_AllocateTensor(type, shape, rank, size);
}

static double number(void) {
  double value;
  if (scanf("%lf", &value) != 1) exit(2);
  return value;
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  TF_Status *status = TF_NewStatus();
  TF_Graph *graph = TF_NewGraph();
  TF_SessionOptions *options = TF_NewSessionOptions();
  const char *tags[] = {"serve"};
  TF_Session *session = TF_LoadSessionFromSavedModel(options, NULL, argv[1], tags, 1, graph, NULL, status);
  check(status);

  const int64_t n = (int64_t)number(), rows[] = {n, 3}, cell_shape[] = {3, 3}, three[] = {3};
  TF_Tensor *given[INPUTS] = {tensor(TF_FLOAT, rows, 2), tensor(TF_FLOAT, cell_shape, 2), tensor(TF_BOOL, three, 1),
                              tensor(TF_INT32, rows, 1)};
  float *position = TF_TensorData(given[0]), *cell = TF_TensorData(given[1]);
  bool *pbc = TF_TensorData(given[2]);
  int32_t *species = TF_TensorData(given[3]);
  for (int k = 0; k < 9; k++) cell[k] = (float)number();
  for (int k = 0; k < 3; k++) pbc[k] = number() != 0;
  for (int64_t i = 0; i < n; i++) {
    species[i] = (int32_t)number();
    for (int k = 0; k < 3; k++) position[3 * i + k] = (float)number();
  }

  const char *names[INPUTS] = {"serving_default_positions", "serving_default_cell", "serving_default_pbc",
                               "serving_default_atomic_numbers"};
  TF_Output inputs[INPUTS], output = {TF_GraphOperationByName(graph, argv[2]), atoi(argv[3])};
  for (int k = 0; k < INPUTS; k++) inputs[k] = (TF_Output){TF_GraphOperationByName(graph, names[k]), 0};
  TF_Tensor *barrier = NULL;
  TF_SessionRun(session, NULL, inputs, given, INPUTS, &output, &barrier, 1, NULL, 0, NULL, status);
  check(status);
  for (int64_t i = 0; i < TF_Dim(barrier, 0); i++) printf("%.9g\n", ((float *)TF_TensorData(barrier))[i]);

  for (int k = 0; k < INPUTS; k++) TF_DeleteTensor(given[k]);
  TF_DeleteTensor(barrier);
  TF_CloseSession(session, status);
  TF_DeleteSession(session, status);
  TF_DeleteSessionOptions(options);
  TF_DeleteGraph(graph);
  TF_DeleteStatus(status);
  return 0;
}
