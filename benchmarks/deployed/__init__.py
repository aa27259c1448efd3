"""Files as people deploy them, judged alike: ours, the stock converter's, tfmot's."""
