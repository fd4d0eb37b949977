"""Functions and classes of the Python interface that combine other packages; `tf_symgnn` has them all."""
