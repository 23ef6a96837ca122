import HtmlWebpackPlugin from 'html-webpack-plugin';

export default {
    mode: 'production',
    entry: './src/main.js',
    output: { clean: true, publicPath: 'auto' },
    // The worker is a large file, and knows it.
    performance: { hints: false },
    plugins: [new HtmlWebpackPlugin({ template: './src/index.html' })],
};
