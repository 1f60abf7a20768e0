"""What a network is and computes: its parameters, its data, its gradients."""
